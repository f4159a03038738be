"""G.722 (ITU-T) at 64 kbit/s: two sub-bands, each with its adaptive predictor and quantiser."""

from libc.stdint cimport int16_t, uint8_t

cdef struct Band:
    int signal                  # prediction, s
    int zeros                   # its part from the zero section, sz
    int reconstructed[3]
    int partial[3]
    int poles[3]                # a
    int differences[7]
    int zero_taps[7]            # b
    int scale                   # logarithmic quantiser scale, nb
    int step                    # the same, linear

cdef struct G722:
    Band low
    Band high
    int history[24]             # of the quadrature mirror filter

cdef void g722_reset(G722 *state) noexcept nogil
cdef int g722_decode(G722 *state, const uint8_t *codes, int16_t *samples, int count) noexcept nogil
cdef int g722_encode(G722 *state, const int16_t *samples, uint8_t *codes, int count) noexcept nogil
