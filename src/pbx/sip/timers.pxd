"""Types of the compiled twin of timers.py."""


cdef class Timers:
    cdef list _heap
    cdef Py_ssize_t _count
    cdef Py_ssize_t _dead

    cpdef fire(self, double now)
    cpdef _compact(self)
