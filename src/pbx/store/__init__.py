"""The store: one append-only event log in SQLite, and what is derived from it."""
