"""Types of the compiled twin of uri.py."""

from pbx.whole cimport whole

cpdef str format_params(tuple params)


cdef class Uri:
    cdef readonly str scheme
    cdef readonly str user
    cdef readonly str host
    cdef readonly object port
    cdef readonly tuple params
    cdef readonly str headers
    cdef readonly str password

    cpdef tuple _values(self)
    cpdef str param(self, str name)
    cpdef Uri with_user(self, str user)
    cpdef Uri bare(self)
