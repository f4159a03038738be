"""RTCP (RFC 3550 6): reports in and out, beside the RTP port or on it."""

from libc.stdint cimport int64_t, uint32_t

from pbx.native.core cimport Core, Port
from pbx.native.udp cimport pbx_address

cdef void control(Core *core, uint32_t index, long size, pbx_address *source, int64_t now) noexcept nogil
cdef void report(Core *core, uint32_t index, int64_t now) noexcept nogil
cdef void farewell(Core *core, uint32_t index, int64_t now) noexcept nogil
