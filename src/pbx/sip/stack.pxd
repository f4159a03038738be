"""Types of the compiled twin of stack.py."""

from pbx.sip.message cimport Message, Request, Response
from pbx.sip.timers cimport Timers
from pbx.sip.transaction cimport ClientTransaction, ServerTransaction, Transaction


cdef class Stack:
    cdef public object ids
    cdef public Timers timers
    cdef public object counters
    cdef public str user_agent
    cdef public int session_expires_s
    cdef public object wider
    cdef public object _gate
    cdef public object _addresses
    cdef public list _outputs
    cdef public dict _clients
    cdef public dict _servers
    cdef public set _merged
    cdef public dict _dialogs

    cpdef receive(self, bytes data, flow, double now)
    cpdef handle_timer(self, double now)
    cpdef list take_outputs(self)
    cpdef emit(self, output)
    cpdef transmit(self, bytes data, flow)
    cpdef forget(self, Transaction transaction)
    cpdef repeat(self, bytes data, flow)
    cpdef stamp(self, Request request, flow)
    cpdef _on_response(self, Response response, flow, double now)
    cpdef _on_request(self, Request request, flow, double now)
    cpdef _on_ack(self, Request ack, tuple key, double now)
    cpdef _inside_dialog(self, Request request, tuple key, flow, double now)
    cpdef _outside_dialog(self, Request request, tuple key, flow, double now)
