"""Types of the compiled twin of whole.py."""

cpdef object whole(str text)
