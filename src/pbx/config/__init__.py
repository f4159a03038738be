"""What administrators write: frozen types, one file a topic, and the loader that names every mistake."""
