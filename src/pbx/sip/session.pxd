"""Types of the compiled twin of session.py."""

from pbx.sip.message cimport Request, Response
from pbx.sip.transaction cimport ClientTransaction, ServerTransaction


cdef class Held:
    cdef public object _acks
    cdef public object _cancelled_before_1xx
    cdef public object _change
    cdef public object _forks
    cdef public object _reliable_client
    cdef public object _stack
    cdef public ClientTransaction client
    cdef public object clock
    cdef public object credentials
    cdef public object dialog
    cdef public object flow
    cdef public object owner
    cdef public object phase
    cdef public object reliable
    cdef public object replaces
    cdef public Request request
    cdef public bytes sent_sdp
    cdef public ServerTransaction server
    cdef public str source
    cdef public int tries
    cdef public object unacked
    cdef public Response unanswered
