"""Packets out: a source's, relayed as a stream of our own, or made from sound and digits."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t

from pbx.native.core cimport Core, Port

cdef void forward(Core *core, Port *source, Port *port, uint8_t *p, int pt, long header, long size,
                  int64_t now) noexcept nogil
cdef void speak_coded(Core *core, Port *port, const uint8_t *payload, int size, int64_t now) noexcept nogil
cdef void speak(Core *core, Port *port, int32_t *total, int64_t now) noexcept nogil
cdef void queue_digit(Port *port, uint8_t event, int length_ms) noexcept nogil
