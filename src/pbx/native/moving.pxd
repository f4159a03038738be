"""Ports that move from one media thread to another."""

from pbx.native.core cimport Core, Port

cdef void part(Core *core, int index) noexcept nogil
cdef void arrive(Core *core, int index, Port *parcel) noexcept nogil
cdef void tape_beside(Core *core, int index, int other) noexcept nogil
