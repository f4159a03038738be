"""Packet loss concealment after G.711 Appendix I, at 8 or 16 kHz, without its delay."""

from libc.stdint cimport int16_t

cdef enum:
    PAST = 832                  # samples remembered: three periods of 15 ms and a quarter, at 16 kHz

cdef struct Conceal:
    int rate_hz
    int lost                    # samples concealed since the last good one
    int period                  # pitch, in samples
    int periods                 # how many of them are repeated in turn
    int place                   # in the repeated stretch
    int16_t past[PAST]          # what was heard last, oldest first
    int16_t source[PAST]        # the same at the beginning of the loss

cdef void conceal_reset(Conceal *state, int rate_hz) noexcept nogil
cdef void conceal_good(Conceal *state, int16_t *samples, int count) noexcept nogil
cdef void conceal_lost(Conceal *state, int16_t *samples, int count) noexcept nogil
cdef int find_period(const int16_t *end, int rate_hz, float *likeness) noexcept nogil
