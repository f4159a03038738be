# cython: language_level=3
"""G.722 (ITU-T) at 64 kbit/s; names of the tables as in the recommendation."""

from libc.stdint cimport int16_t, uint8_t
from libc.string cimport memmove, memset

cdef int[8] WL = [-60, -30, 58, 172, 334, 538, 1198, 3042]
cdef int[16] RL42 = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0]
cdef int[32] ILB = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
]
cdef int[3] WH = [0, -214, 798]
cdef int[4] RH2 = [2, 1, 2, 1]
cdef int[4] QM2 = [-7408, -1616, 7408, 1616]
cdef int[16] QM4 = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
]
cdef int[64] QM6 = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
    -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
    24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
]
cdef int[12] QMF = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11]
cdef int[30] Q6 = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
]
cdef int[31] ILN = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
]
cdef int[31] ILP = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34,
    33, 32,
]
cdef int[3] IHN = [0, 1, 0]
cdef int[3] IHP = [0, 3, 2]


cdef inline int _sat(int value) noexcept nogil:
    return 32767 if value > 32767 else (-32768 if value < -32768 else value)


cdef inline int _clamp(int value, int low, int high) noexcept nogil:
    return high if value > high else (low if value < low else value)


cdef void _adapt_poles(Band *band) noexcept nogil:
    """Update the two poles (blocks UPPOL2 and UPPOL1)."""
    cdef int s0 = band.partial[0] >> 15, s1 = band.partial[1] >> 15, s2 = band.partial[2] >> 15
    cdef int first = _sat(band.poles[1] * 4), second, limit
    first = -first if s0 == s1 else first
    if first > 32767:
        first = 32767
    second = (first >> 7) + (128 if s0 == s2 else -128) + ((band.poles[2] * 32512) >> 15)
    second = _clamp(second, -12288, 12288)
    first = _sat((192 if s0 == s1 else -192) + ((band.poles[1] * 32640) >> 15))
    limit = _sat(15360 - second)
    band.poles[1] = _clamp(first, -limit, limit)
    band.poles[2] = second


cdef void _adapt_zeros(Band *band) noexcept nogil:
    """Update the six zeros (block UPZERO)."""
    cdef int i, difference = band.differences[0], step = 0 if difference == 0 else 128
    for i in range(1, 7):
        band.zero_taps[i] = _sat(
            (step if band.differences[i] >> 15 == difference >> 15 else -step) + ((band.zero_taps[i] * 32640) >> 15))


cdef void _predict(Band *band, int difference) noexcept nogil:
    """Take in one quantised difference and predict the next sample (block 4)."""
    cdef int i, sum_zeros = 0
    band.differences[0] = difference
    band.reconstructed[0] = _sat(band.signal + difference)
    band.partial[0] = _sat(band.zeros + difference)
    _adapt_poles(band)
    _adapt_zeros(band)
    for i in range(6, 0, -1):
        band.differences[i] = band.differences[i - 1]
    for i in range(2, 0, -1):
        band.reconstructed[i] = band.reconstructed[i - 1]
        band.partial[i] = band.partial[i - 1]
    for i in range(6, 0, -1):
        sum_zeros += (band.zero_taps[i] * _sat(2 * band.differences[i])) >> 15
    band.zeros = _sat(sum_zeros)
    band.signal = _sat(band.zeros + _sat(((band.poles[1] * _sat(2 * band.reconstructed[1])) >> 15)
                                         + ((band.poles[2] * _sat(2 * band.reconstructed[2])) >> 15)))


cdef void _scale(Band *band, int weight, int limit, int shift) noexcept nogil:
    """Adapt the quantiser's scale (blocks LOGSCL and SCALEL, LOGSCH and SCALEH)."""
    cdef int exponent
    band.scale = _clamp(((band.scale * 127) >> 7) + weight, 0, limit)
    exponent = shift - (band.scale >> 11)
    band.step = ILB[(band.scale >> 6) & 31]
    band.step = (band.step << -exponent if exponent < 0 else band.step >> exponent) << 2


cdef void _low(Band *band, int code) noexcept nogil:
    cdef int difference = (band.step * QM4[code >> 2]) >> 15
    _scale(band, WL[RL42[code >> 2]], 18432, 8)
    _predict(band, difference)


cdef void _high(Band *band, int code) noexcept nogil:
    cdef int difference = (band.step * QM2[code]) >> 15
    _scale(band, WH[RH2[code]], 22528, 10)
    _predict(band, difference)


cdef void g722_reset(G722 *state) noexcept nogil:
    memset(state, 0, sizeof(G722))
    state.low.step = 32
    state.high.step = 8


cdef int g722_decode(G722 *state, const uint8_t *codes, int16_t *samples, int count) noexcept nogil:
    """Decode *count* octets to twice as many samples at 16 kHz."""
    cdef int i, k, low, high, code, even, odd
    for i in range(count):
        code = codes[i] & 0x3F
        low = _clamp(state.low.signal + ((state.low.step * QM6[code]) >> 15), -16384, 16383)
        _low(&state.low, code)
        code = codes[i] >> 6
        high = _clamp(state.high.signal + ((state.high.step * QM2[code]) >> 15), -16384, 16383)
        _high(&state.high, code)
        memmove(state.history, state.history + 2, 22 * sizeof(int))
        state.history[22], state.history[23] = low + high, low - high
        even = odd = 0
        for k in range(12):
            even += state.history[2 * k] * QMF[k]
            odd += state.history[2 * k + 1] * QMF[11 - k]
        samples[2 * i], samples[2 * i + 1] = <int16_t>_sat(odd >> 11), <int16_t>_sat(even >> 11)
    return 2 * count


cdef int g722_encode(G722 *state, const int16_t *samples, uint8_t *codes, int count) noexcept nogil:
    """Encode *count* samples at 16 kHz (an even number) to half as many octets."""
    cdef int i, k, even, odd, error, size, low, high
    for i in range(count // 2):
        memmove(state.history, state.history + 2, 22 * sizeof(int))
        state.history[22], state.history[23] = samples[2 * i], samples[2 * i + 1]
        even = odd = 0
        for k in range(12):
            odd += state.history[2 * k] * QMF[k]
            even += state.history[2 * k + 1] * QMF[11 - k]
        error = _sat(((even + odd) >> 14) - state.low.signal)
        size = error if error >= 0 else -(error + 1)
        k = 1
        while k < 30 and size >= (Q6[k] * state.low.step) >> 12:
            k += 1
        low = ILN[k] if error < 0 else ILP[k]
        _low(&state.low, low)
        error = _sat(((even - odd) >> 14) - state.high.signal)
        size = error if error >= 0 else -(error + 1)
        k = 2 if size >= (564 * state.high.step) >> 12 else 1
        high = IHN[k] if error < 0 else IHP[k]
        _high(&state.high, high)
        codes[i] = <uint8_t>((high << 6) | low)
    return count // 2


def decode(const uint8_t[::1] codes) -> bytes:
    """Decode a whole stream to 16-bit samples at 16 kHz."""
    cdef G722 state
    out = bytearray(4 * len(codes))
    cdef uint8_t[::1] view = out
    g722_reset(&state)
    if len(codes):
        g722_decode(&state, &codes[0], <int16_t *>&view[0], <int>len(codes))
    return bytes(out)


def encode(const int16_t[::1] samples) -> bytes:
    """Encode a whole stream of samples at 16 kHz."""
    cdef G722 state
    out = bytearray(len(samples) // 2)
    cdef uint8_t[::1] view = out
    g722_reset(&state)
    if len(out):
        g722_encode(&state, &samples[0], &view[0], <int>len(samples))
    return bytes(out)
