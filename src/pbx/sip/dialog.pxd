"""Types of the compiled twin of dialog.py."""

from pbx.sip.headers cimport NameAddr
from pbx.sip.message cimport Message, Request, Response
from pbx.sip.uri cimport Uri


cdef class Dialog:
    cdef public str call_id
    cdef public NameAddr local
    cdef public NameAddr remote
    cdef public long local_seq
    cdef public object remote_seq
    cdef public tuple route_set
    cdef public Uri remote_target
    cdef public object flow
    cdef public bint early
    cdef public bint direct

    cpdef accept(self, Request request)
    cpdef follow(self, flow)
    cpdef refresh_target(self, Message message)


cpdef Dialog dialog_as_server(Request request, flow, str local_tag)
cpdef Dialog dialog_as_client(Request request, Response response, flow)
