"""Types of the compiled twin of called.py."""

from pbx.sip.session cimport Held


cdef class Called(Held):
    pass
