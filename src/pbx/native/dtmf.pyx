# cython: language_level=3
"""Digits as sound. Every 5 ms a Hann window of 20 ms is held against the eight tones.

A digit is one row and one column that together are nearly all of the sound, with the twist that Q.24 allows, each at its
frequency: the turn of phase over 10 ms tells that to a hertz or two, which the width of a bin could not.
"""

from libc.math cimport M_PI, atan2f, cosf, fabsf, sinf
from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memcpy, memmove, memset

cdef enum:
    BEGIN_HOPS = 3              # alike in a row: a digit
    END_HOPS = 11               # without it: over; a break of 10 ms spoils up to 8
    FRAME = 160
    AMPLITUDE = 5000            # of each tone that we send: −10 dBm0

cdef float PURE = 0.86          # share of the energy that is in the two tones
cdef float OFF = 0.025          # accepted up to 1.5 % off, refused from 3.5 %
cdef float FAINT = 150.0        # amplitude of the fainter tone
cdef float TWIST_HIGH = 2.24    # the column louder: 7 dB
cdef float TWIST_LOW = 3.35     # the row louder: 10.5 dB
cdef float STEADY = 1.5         # between the two windows

cdef extern from *:
    """
    /* Event codes 0-15 by row and column, and the tones of the rows and columns. */
    static const int KEYS[16] = {1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15};
    static const float HZ[8] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
    """
    const int KEYS[16]
    const float HZ[8]

cdef extern from *:
    """
    /* Eight tones at once, and in as wide registers as the processor has (there is no -march=native in what ships). */
    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(PBX_SANITIZE)
    #define PBX_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
    #else
    #define PBX_CLONES
    #endif
    typedef float pbx_sixteen __attribute__((vector_size(64), aligned(4)));
    PBX_CLONES static void pbx_look(const int16_t *x, const float (*waves)[16], const float *window, int count,
                                    float *bins, float *energy) {
        pbx_sixteen sums[4] = {{0}};        /* four chains, for an addition takes four cycles */
        float squares[4] = {0};
        for (int i = 0; i < count; i += 4)
            for (int n = 0; n < 4; n++) {
                float sample = x[i + n], weighed = sample * window[i + n];
                sums[n] += sample * *(const pbx_sixteen *)waves[i + n];
                squares[n] += weighed * weighed;
            }
        *(pbx_sixteen *)bins = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        *energy = squares[0] + squares[1] + squares[2] + squares[3];
    }
    """
    void pbx_look(const int16_t *x, const float (*waves)[16], const float *window, int count, float *bins,
                  float *energy) noexcept nogil

# Made when this module is loaded, and constant from then on.
cdef float waves[WINDOW][16]
cdef float window[WINDOW]


cdef void _make() noexcept nogil:
    cdef int i, k
    for i in range(WINDOW):
        window[i] = <float>(0.5 - 0.5 * cosf(<float>(2 * M_PI * i / WINDOW)))
        for k in range(TONES):
            waves[i][2 * k] = window[i] * cosf(<float>(2 * M_PI * HZ[k] * i / 8000))
            waves[i][2 * k + 1] = window[i] * sinf(<float>(2 * M_PI * HZ[k] * i / 8000))


_make()


cdef void keypad_reset(Keypad *pad) noexcept nogil:
    memset(pad, 0, sizeof(Keypad))
    pad.candidate = pad.digit = -1


cdef void _look(const int16_t *x, Spectrum *out) noexcept nogil:
    pbx_look(x, waves, window, WINDOW, out.bins, &out.energy)


cdef inline float _power(Spectrum *s, int k) noexcept nogil:
    return s.bins[2 * k] * s.bins[2 * k] + s.bins[2 * k + 1] * s.bins[2 * k + 1]


cdef float _off_hz(Spectrum *before, Spectrum *now, int k) noexcept nogil:
    """Return how far the tone is from its frequency, within ± 50 Hz."""
    cdef float a = before.bins[2 * k], b = -before.bins[2 * k + 1]
    cdef float c = now.bins[2 * k], d = -now.bins[2 * k + 1]
    cdef float turn = atan2f(d * a - c * b, c * a + d * b) - <float>(2 * M_PI * HZ[k] * 2 * HOP / 8000)
    cdef float full = <float>(2 * M_PI)
    turn -= full * <int>(turn / full)
    if turn > M_PI:
        turn -= full
    elif turn < -M_PI:
        turn += full
    return turn / full * 8000 / (2 * HOP)


cdef inline float _response(float off_hz) noexcept nogil:
    """Return the window's amplitude *off_hz* beside its centre, against the centre."""
    cdef float x = off_hz * WINDOW / 8000, angle = <float>(M_PI) * x
    if fabsf(x) < 0.01:
        return 1.0
    return sinf(angle) / angle / (1 - x * x)


cdef int _digit(Spectrum *before, Spectrum *now) noexcept nogil:
    """Return the digit that both windows hold, -1 where they hold none."""
    cdef int row = 0, column = 4, k, i
    cdef float low, high, off, pure, was
    for k in range(4):
        if _power(now, k) > _power(now, row):
            row = k
        if _power(now, 4 + k) > _power(now, column):
            column = 4 + k
    low, high = _power(now, row), _power(now, column)
    if low > high * TWIST_LOW * TWIST_LOW or high > low * TWIST_HIGH * TWIST_HIGH:
        return -1
    # A tone of amplitude a has power (a · WINDOW / 4)².
    if low < (FAINT * WINDOW / 4) ** 2 or high < (FAINT * WINDOW / 4) ** 2:
        return -1
    pure = 0.0
    for i in range(2):
        k = column if i else row
        off = _off_hz(before, now, k)
        if fabsf(off) > OFF * HZ[k]:
            return -1
        was = _power(before, k)
        if was > STEADY * STEADY * _power(now, k) or _power(now, k) > STEADY * STEADY * was:
            return -1
        pure += 3 * _power(now, k) / (WINDOW * _response(off) * _response(off))
    if pure < PURE * now.energy:
        return -1
    return KEYS[4 * row + column - 4]


cdef bint _still(Keypad *pad, const int16_t *frame) noexcept nogil:
    """Say whether this frame and the one before are too faint for a key, and none is open: then there is no work."""
    cdef int i, loudest = 0
    for i in range(FRAME):
        loudest = max(loudest, frame[i], -frame[i])
    pad.quiet = pad.quiet + 1 if loudest < FAINT else 0
    if pad.quiet < 2 or pad.digit >= 0:
        return False
    if pad.quiet == 2:
        memset(pad.past, 0, sizeof(pad.past))
        memset(pad.spectra, 0, sizeof(pad.spectra))
        pad.candidate = -1
    return True


cdef int keypad_hear(Keypad *pad, const int16_t *frame, int *duration_ms) noexcept nogil:
    """Take in 20 ms. Return the digit that began, or one that ended plus KEYPAD_ENDED with its length, else -1."""
    cdef int part, at, found, told = -1
    cdef Spectrum *now
    cdef Spectrum *before
    if _still(pad, frame):
        return -1
    for part in range(FRAME // HOP):
        at = part * HOP
        memmove(pad.past, pad.past + HOP, (WINDOW - HOP) * sizeof(int16_t))
        memcpy(pad.past + WINDOW - HOP, frame + at, HOP * sizeof(int16_t))
        now = &pad.spectra[pad.hops % KEPT]
        before = &pad.spectra[(pad.hops + 1) % KEPT]
        pad.hops += 1
        _look(pad.past, now)
        found = _digit(before, now)
        pad.alike = pad.alike + 1 if found == pad.candidate else 1
        pad.candidate = found
        if pad.digit >= 0:
            pad.sounding += 1
            pad.missing = 0 if found == pad.digit else pad.missing + 1
            if pad.missing >= END_HOPS or found >= 0 and found != pad.digit and pad.alike >= BEGIN_HOPS:
                duration_ms[0] = (pad.sounding - pad.missing + 5) * 5
                told = KEYPAD_ENDED + pad.digit
                pad.digit = -1
        elif found >= 0 and pad.alike >= BEGIN_HOPS and told < 0:
            pad.digit = told = found
            pad.sounding = BEGIN_HOPS
            pad.missing = 0
    return told


cdef void digit_tone(int event, int at, int32_t *total, int frame, int rate_hz) noexcept nogil:
    """Put the tone of *event* in the place of a frame; *at* counts samples since it began."""
    cdef int place = 0, i
    cdef float low, high
    while place < 15 and KEYS[place] != event:
        place += 1
    low = <float>(2 * M_PI * HZ[place // 4] / rate_hz)
    high = <float>(2 * M_PI * HZ[4 + place % 4] / rate_hz)
    for i in range(frame):
        total[i] = <int32_t>(AMPLITUDE * (sinf(low * (at + i)) + sinf(high * (at + i))))


cdef class Detector:
    """A keypad by itself, for tests: 20 ms in, what it tells out."""

    cdef Keypad pad

    def __cinit__(self):
        keypad_reset(&self.pad)

    def hear(self, const int16_t[::1] samples) -> list:
        """Return (digit, length in ms) of every digit that ended in *samples*, whole frames of 20 ms."""
        cdef int at, told, length = 0
        found = []
        for at in range(0, <int>len(samples) - FRAME + 1, FRAME):
            told = keypad_hear(&self.pad, &samples[at], &length)
            if told >= KEYPAD_ENDED:
                found.append((told - KEYPAD_ENDED, length))
        return found


def look(const int16_t[::1] samples) -> list:
    """Return cosine and sine of the eight tones in one window, and its energy, for tests."""
    cdef Spectrum found
    cdef int k
    if len(samples) != WINDOW:
        raise ValueError("a window of 20 ms")
    _look(&samples[0], &found)
    return [found.bins[k] for k in range(16)] + [found.energy]


def tone(int event, int samples, int rate_hz=8000) -> bytes:
    """Return the tone that is sent for an event."""
    cdef int32_t total[1600]
    cdef int i
    if not 0 <= event <= 15 or not 0 < samples <= 1600:
        raise ValueError("event 0 to 15, up to 1600 samples")
    digit_tone(event, 0, total, samples, rate_hz)
    return b"".join(int(total[i]).to_bytes(2, "little", signed=True) for i in range(samples))
