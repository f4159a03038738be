"""Applications: one call script a file; each returns an outcome and never jumps."""
