"""Digits as sound (ITU-T Q.23, Q.24): a detector of one stream at 8 kHz, and the tones to send."""

from libc.stdint cimport int16_t, int32_t, int64_t

cdef enum:
    TONES = 8                   # four rows, four columns
    WINDOW = 160                # samples: 20 ms
    HOP = 40
    KEPT = 3                    # spectra: this one, and the one of 10 ms before

cdef struct Spectrum:
    float bins[16]              # cosine and sine of each tone
    float energy                # of the windowed samples

cdef struct Keypad:
    int16_t past[WINDOW]
    Spectrum spectra[KEPT]
    int64_t hops
    int candidate               # seen in the hop before, -1: none
    int alike                   # hops in a row
    int digit                   # that sounds now, -1: none
    int missing                 # hops without it
    int quiet                   # frames without anything as loud as a key
    int sounding                # hops since it began

# What keypad_hear tells, beside nothing (-1): a digit began, or one ended (plus KEYPAD_ENDED).
cdef enum:
    KEYPAD_ENDED = 16

cdef void keypad_reset(Keypad *pad) noexcept nogil
cdef int keypad_hear(Keypad *pad, const int16_t *frame, int *duration_ms) noexcept nogil
cdef void digit_tone(int event, int at, int32_t *total, int frame, int rate_hz) noexcept nogil
