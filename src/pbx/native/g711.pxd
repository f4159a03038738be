"""G.711 (ITU-T): the conversions between the two laws, sample by sample, as tables of the recommendation."""

from libc.stdint cimport int16_t, uint8_t, uint16_t

cdef enum:
    LAW_U = 0, LAW_A = 1

cdef void g711_decode(int law, const uint8_t *codes, int16_t *samples, int count) noexcept nogil
cdef void g711_encode(int law, const int16_t *samples, uint8_t *codes, int count) noexcept nogil
cdef void g711_convert(int law, const uint8_t *codes, uint8_t *out, int count) noexcept nogil


cdef inline int16_t ulaw_to_linear(uint8_t code) noexcept nogil:
    cdef int value
    code = ~code
    value = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return <int16_t>(0x84 - value if code & 0x80 else value - 0x84)


cdef inline int16_t alaw_to_linear(uint8_t code) noexcept nogil:
    cdef int value, segment
    code = code ^ 0x55
    value = (code & 0x0F) << 4
    segment = (code & 0x70) >> 4
    if segment == 0:
        value += 8
    else:
        value = (value + 0x108) << (segment - 1)
    return <int16_t>(value if code & 0x80 else -value)


cdef inline uint8_t linear_to_ulaw(int16_t sample) noexcept nogil:
    cdef int value = sample, sign = 0, segment = 7, mask = 0x4000
    if value < 0:
        value = -value
        sign = 0x80
    if value > 32635:
        value = 32635
    value += 0x84
    while segment > 0 and not value & mask:
        segment -= 1
        mask >>= 1
    return <uint8_t>(~(sign | (segment << 4) | ((value >> (segment + 3)) & 0x0F)))


cdef inline uint8_t linear_to_alaw(int16_t sample) noexcept nogil:
    cdef int value = sample >> 3, mask = 0xD5, segment = 0, limit = 0x1F, code
    if value < 0:
        mask = 0x55
        value = -value - 1
    while segment < 8 and value > limit:
        segment += 1
        limit = (limit << 1) | 1
    if segment >= 8:
        return <uint8_t>(0x7F ^ mask)
    code = segment << 4
    if segment < 2:
        code |= (value >> 1) & 0x0F
    else:
        code |= (value >> segment) & 0x0F
    return <uint8_t>(code ^ mask)
