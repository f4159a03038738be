"""The compiled twin of dialog.py needs no types of its own."""
