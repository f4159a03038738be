"""Types of the compiled twin of headers.py."""

from pbx.sip.uri cimport Uri
from pbx.whole cimport whole

cpdef list split_list(str text)
cpdef tuple split_params(str text)
cpdef str param_of(tuple params, str name)
cpdef NameAddr parse_address(str text)
cpdef Via parse_via(str text)
cpdef CSeq parse_cseq(str text)


cdef class NameAddr:
    cdef readonly Uri uri
    cdef readonly str name
    cdef readonly tuple params

    cpdef str param(self, str name)
    cpdef NameAddr with_tag(self, str tag)


cdef class Via:
    cdef readonly str transport
    cdef readonly str host
    cdef readonly object port
    cdef readonly tuple params

    cpdef str param(self, str name)


cdef class CSeq:
    cdef readonly object number
    cdef readonly str method
