"""Types of the compiled twin of message.py."""

from pbx.sip.headers cimport (
    CSeq,
    NameAddr,
    Via,
    param_of,
    parse_address,
    parse_cseq,
    parse_via,
    split_list,
    split_params,
)
from pbx.whole cimport whole

cpdef str clean(str line)


cdef class Message:
    cdef public dict headers
    cdef public bytes body
    cdef public Via _via
    cdef public NameAddr _from
    cdef public NameAddr _to
    cdef public CSeq _cseq

    cpdef str get(self, str name)
    cpdef list values(self, str name)
    cpdef replace(self, str name, str value)
    cpdef add(self, str name, str value)
    cpdef _forget(self)
    cpdef set tokens(self, str name)
    cpdef str _need(self, str name)
    cpdef set_top_via(self, Via via)
    cpdef bytes _write(self, str first_line)


cdef class Request(Message):
    cdef public str method
    cdef public str uri_text
    cdef public object size

    cpdef check_addresses(self)
    cpdef bytes to_bytes(self)


cdef class Response(Message):
    cdef public int status
    cdef public str reason

    cpdef bytes to_bytes(self)
