"""Types of the compiled twin of transaction.py."""

from pbx.sip.message cimport Request, Response
from pbx.sip.timers cimport Timers


cdef class Transaction:
    cdef public tuple key
    cdef public object flow
    cdef public object state
    cdef public object due
    cdef public object queued
    cdef object _wire
    cdef public bytes _last
    cdef double _wait_s
    cdef object _resend_at
    cdef object _stop_at
    cdef object _linger_at

    cpdef step(self, event, double now, Response response=*)
    cpdef fire(self, double now)
    cpdef bint fall_back(self, double now)
    cpdef give_up_after(self, double now, double wait_s)
    cpdef _arm(self)
    cpdef _do(self, action, double now, Response response)
    cpdef _back_off(self, double now)
    cpdef double _next_wait_s(self)
    cpdef double _linger_s(self)
    cpdef _act(self, action, double now, Response response)


cdef class ClientTransaction(Transaction):
    cdef public Request request
    cdef public object user
    cdef public object narrow

    cpdef start(self, double now)
    cpdef leave(self, double now)
    cpdef _let_go(self)


cdef class ClientInvite(ClientTransaction):
    pass


cdef class ClientOther(ClientTransaction):
    pass


cdef class ServerTransaction(Transaction):
    cdef public object merged
    cdef public Request request
    cdef public object user

    cpdef respond(self, Response response, double now)


cdef class ServerInvite(ServerTransaction):
    pass


cdef class ServerOther(ServerTransaction):
    pass
