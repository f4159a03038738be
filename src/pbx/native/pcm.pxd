"""Sums of samples, and the step between 8 and 16 kHz by a half-band filter."""

from libc.stdint cimport int16_t, int32_t

cdef enum:
    HALF_TAPS = 12              # tap pairs beside the centre
    HALF_SPAN = 48              # samples of history at 16 kHz
    WIDE_FRAME = 320            # 20 ms at 16 kHz

cdef struct HalfBand:
    float history[HALF_SPAN]    # the samples before this frame, oldest first


cdef inline int16_t saturate(int32_t value) noexcept nogil:
    return <int16_t>(32767 if value > 32767 else (-32768 if value < -32768 else value))


cdef void add(int32_t *total, const int16_t *samples, int count) noexcept nogil
cdef void subtract(int32_t *total, const int16_t *samples, int count) noexcept nogil
cdef void narrow_down(HalfBand *state, const int16_t *wide, int16_t *narrow, int count) noexcept nogil
cdef void widen(HalfBand *state, const int16_t *narrow, int16_t *wide, int count) noexcept nogil
