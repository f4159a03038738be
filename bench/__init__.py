"""Programs that measure; each is one command and brings its own load. ``python -m bench`` runs them all."""
