"""Types of the compiled twin of description.py."""


cdef class Media:
    cdef public str kind
    cdef public long port
    cdef public str protocol
    cdef public list formats
    cdef public str address
    cdef public list attributes

    cpdef str attribute(self, str name)
    cpdef list all(self, str name)


cdef class Description:
    cdef public str origin_user
    cdef public object session_id
    cdef public object version
    cdef public str address
    cdef public list media
    cdef public list attributes
    cdef public str name

    cpdef str direction_of(self, Media media)
    cpdef bytes to_bytes(self)


cpdef Description parse_description(bytes data)
cpdef Description _parse(str text)
cpdef _origin(Description found, str value)
cpdef str _connection(str value)
cpdef Media _media(str value)
