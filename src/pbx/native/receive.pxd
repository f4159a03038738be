"""Packets in: is it RTP, is it the peer's, whose turn is it then."""

from libc.stdint cimport int64_t, uint32_t

from pbx.native.core cimport Core, Port
from pbx.native.udp cimport pbx_address

cdef void packet(Core *core, uint32_t index, long size, pbx_address *source, int64_t now) noexcept nogil
cdef void close_digit(Core *core, uint32_t index) noexcept nogil
