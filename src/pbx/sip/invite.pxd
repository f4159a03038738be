"""Types of the compiled twin of invite.py."""

from pbx.sip.called cimport Called


cdef class Session(Called):
    pass
