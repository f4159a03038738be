# cython: language_level=3
"""Sums of samples, and the step between 8 and 16 kHz: flat to 3.4 kHz within 0.1 dB, 40 dB down from 4.6 kHz."""

from libc.math cimport lrintf
from libc.stdint cimport int16_t, int32_t, uint8_t
from libc.string cimport memcpy, memset

# A half-band low pass, Kaiser window with beta 7: the centre tap is one half, every other tap is zero.
cdef float[12] TAPS = [
    0.316560102, -0.100859613, 0.055239498, -0.034331668, 0.022079861, -0.014130858, 0.008787184, -0.005204281,
    0.002870760, -0.001428309, 0.000604414, -0.000187092,
]


cdef void add(int32_t *total, const int16_t *samples, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        total[i] += samples[i]


cdef void subtract(int32_t *total, const int16_t *samples, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        total[i] -= samples[i]


cdef void narrow_down(HalfBand *state, const int16_t *wide, int16_t *narrow, int count) noexcept nogil:
    """Halve the rate of *count* samples at 16 kHz, at most 20 ms."""
    cdef float line[HALF_SPAN + WIDE_FRAME]
    cdef float value
    cdef int i, k, centre
    memcpy(line, state.history, sizeof(state.history))
    for i in range(count):
        line[HALF_SPAN + i] = wide[i]
    for i in range(count // 2):
        centre = HALF_SPAN // 2 + 2 * i
        value = 0.5 * line[centre]
        for k in range(HALF_TAPS):
            value += TAPS[k] * (line[centre - 2 * k - 1] + line[centre + 2 * k + 1])
        narrow[i] = saturate(<int32_t>lrintf(value))
    memcpy(state.history, line + count, sizeof(state.history))


cdef void widen(HalfBand *state, const int16_t *narrow, int16_t *wide, int count) noexcept nogil:
    """Double the rate of *count* samples at 8 kHz, at most 20 ms."""
    cdef float line[HALF_SPAN + WIDE_FRAME]
    cdef float value
    cdef int i, k, at
    memcpy(line, state.history, HALF_SPAN // 2 * sizeof(float))
    for i in range(count):
        line[HALF_SPAN // 2 + i] = narrow[i]
    for i in range(count):
        at = HALF_TAPS + i
        value = 0.0
        for k in range(HALF_TAPS):
            value += TAPS[k] * (line[at - k] + line[at + k + 1])
        wide[2 * i] = saturate(<int32_t>line[at])
        wide[2 * i + 1] = saturate(<int32_t>lrintf(2.0 * value))
    memcpy(state.history, line + count, HALF_SPAN // 2 * sizeof(float))


def resample(const int16_t[::1] samples, bint up) -> bytes:
    """Convert a whole stream, frame by frame: 8 to 16 kHz where *up*, else 16 to 8 kHz."""
    cdef HalfBand state
    cdef int frame = 160 if up else 320
    cdef int made = 2 * frame if up else frame // 2
    cdef int at
    cdef int frames = <int>len(samples) // frame
    out = bytearray(2 * made * frames)
    cdef uint8_t[::1] view = out
    memset(&state, 0, sizeof(state))
    for at in range(frames):
        if up:
            widen(&state, &samples[at * frame], (<int16_t *>&view[0]) + at * made, frame)
        else:
            narrow_down(&state, &samples[at * frame], (<int16_t *>&view[0]) + at * made, frame)
    return bytes(out)
