# cython: language_level=3
"""G.711 by table: whole frames in either law, filled once from the arithmetic beside."""

from libc.stdint cimport int16_t, uint8_t

cdef int16_t LINEAR[2][256]
cdef uint8_t CODE[2][65536]
cdef uint8_t OTHER[2][256]      # the same sound in the other law


cdef void _fill() noexcept:
    cdef int i
    for i in range(256):
        LINEAR[LAW_U][i] = ulaw_to_linear(<uint8_t>i)
        LINEAR[LAW_A][i] = alaw_to_linear(<uint8_t>i)
    for i in range(65536):
        CODE[LAW_U][i] = linear_to_ulaw(<int16_t>i)
        CODE[LAW_A][i] = linear_to_alaw(<int16_t>i)
    for i in range(256):
        OTHER[LAW_U][i] = linear_to_alaw(LINEAR[LAW_U][i])
        OTHER[LAW_A][i] = linear_to_ulaw(LINEAR[LAW_A][i])


_fill()


cdef void g711_decode(int law, const uint8_t *codes, int16_t *samples, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        samples[i] = LINEAR[law][codes[i]]


cdef void g711_encode(int law, const int16_t *samples, uint8_t *codes, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        codes[i] = CODE[law][<uint16_t>samples[i]]


cdef void g711_convert(int law, const uint8_t *codes, uint8_t *out, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        out[i] = OTHER[law][codes[i]]


def decode(int law, const uint8_t[::1] codes) -> bytes:
    """Decode a frame to 16-bit samples; law 0 is µ, 1 is A."""
    out = bytearray(2 * len(codes))
    cdef uint8_t[::1] view = out
    if len(codes):
        g711_decode(law & 1, &codes[0], <int16_t *>&view[0], <int>len(codes))
    return bytes(out)


def encode(int law, const int16_t[::1] samples) -> bytes:
    """Encode 16-bit samples; law 0 is µ, 1 is A."""
    out = bytearray(len(samples))
    cdef uint8_t[::1] view = out
    if len(samples):
        g711_encode(law & 1, &samples[0], &view[0], <int>len(samples))
    return bytes(out)
