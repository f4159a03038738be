"""The compiled twin of asker.py needs no types of its own."""
