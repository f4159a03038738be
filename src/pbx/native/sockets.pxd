"""The way to the network: what a backend for datagrams has to offer. See the module's text."""

from libc.stdint cimport uint8_t

from pbx.native.core cimport Core, Port

cdef void attach(Core *core, int index) noexcept nogil
cdef void detach(Core *core, int index) noexcept nogil
cdef void shut(Core *core, int index) noexcept nogil
cdef bint send_rtp(Core *core, Port *port, const uint8_t *data, int size) noexcept nogil
cdef bint send_rtcp(Core *core, Port *port, const uint8_t *data, int size) noexcept nogil
