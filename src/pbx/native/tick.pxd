"""One instant of the wheel, and the slow scan beside it."""

from libc.stdint cimport int64_t

from pbx.native.core cimport Core

cdef void tick(Core *core, int64_t now_ms, int64_t now) noexcept nogil
cdef void scan(Core *core, int first, int end, int64_t now) noexcept nogil
cdef void stop_playing(Core *core, int index, int outcome) noexcept nogil
cdef void stop_recording(Core *core, int index, int outcome) noexcept nogil
