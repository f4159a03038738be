# cython: language_level=3
"""Opus (RFC 6716) by the libopus that PyAV's wheel brings along, else the system's: no header at build time.

Without any libopus `available` is false, and Opus can be relayed but not heard.
"""

import ctypes
import ctypes.util
import importlib.util
from pathlib import Path

from libc.stdint cimport int16_t, int32_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc

cdef extern from *:
    """
    #include <stdint.h>
    typedef int (*pbx_opus_ctl)(void *state, int request, ...);
    static inline int pbx_opus_set(pbx_opus_ctl ctl, void *state, int request, int32_t value) {
        return ctl(state, request, value);
    }
    static inline int pbx_opus_do(pbx_opus_ctl ctl, void *state, int request) { return ctl(state, request); }
    """
    ctypedef void *pbx_opus_ctl
    int pbx_opus_set(pbx_opus_ctl ctl, void *state, int request, int32_t value) noexcept nogil
    int pbx_opus_do(pbx_opus_ctl ctl, void *state, int request) noexcept nogil

ctypedef int (*size_function)(int channels) noexcept nogil
ctypedef int (*decoder_init)(void *state, int32_t hz, int channels) noexcept nogil
ctypedef int (*encoder_init)(void *state, int32_t hz, int channels, int application) noexcept nogil
ctypedef int (*decode_function)(void *state, const uint8_t *data, int32_t size, int16_t *out, int most,
                                int fec) noexcept nogil
ctypedef int32_t (*encode_function)(void *state, const int16_t *pcm, int count, uint8_t *out,
                                    int32_t most) noexcept nogil
ctypedef int (*samples_function)(const uint8_t *packet, int32_t size, int32_t hz) noexcept nogil

cdef enum:
    VOIP = 2048                 # OPUS_APPLICATION_VOIP
    SET_BITRATE = 4002
    SET_COMPLEXITY = 4010
    SET_INBAND_FEC = 4012
    SET_PACKET_LOSS = 4014
    RESET = 4028
    BITRATE = 24000
    COMPLEXITY = 1
    EXPECTED_LOSS = 5           # per cent


def _library() -> object:
    spec = importlib.util.find_spec("av")
    if spec is not None and spec.origin is not None:
        beside = Path(spec.origin).parents[1] / "av.libs"
        for path in sorted(beside.glob("libopus-*.so*")):
            return ctypes.CDLL(str(path))
    name = ctypes.util.find_library("opus")
    return ctypes.CDLL(name) if name else None


_lib = _library()
available: bool = _lib is not None


def _address(name: str) -> int:
    return ctypes.cast(getattr(_lib, name), ctypes.c_void_p).value if _lib is not None else 0


# Set once, when this module is loaded, and constant from then on; NULL without libopus.
cdef size_function _decoder_size = <size_function><uintptr_t>_address("opus_decoder_get_size")
cdef size_function _encoder_size = <size_function><uintptr_t>_address("opus_encoder_get_size")
cdef decoder_init _decoder_init = <decoder_init><uintptr_t>_address("opus_decoder_init")
cdef encoder_init _encoder_init = <encoder_init><uintptr_t>_address("opus_encoder_init")
cdef decode_function _decode = <decode_function><uintptr_t>_address("opus_decode")
cdef encode_function _encode = <encode_function><uintptr_t>_address("opus_encode")
cdef samples_function _samples = <samples_function><uintptr_t>_address("opus_packet_get_nb_samples")
cdef pbx_opus_ctl _decoder_ctl = <pbx_opus_ctl><uintptr_t>_address("opus_decoder_ctl")
cdef pbx_opus_ctl _encoder_ctl = <pbx_opus_ctl><uintptr_t>_address("opus_encoder_ctl")


cdef void *opus_decoder() noexcept nogil:
    """Make a decoder; NULL without memory or without libopus."""
    cdef void *state
    if _decoder_size == NULL:
        return NULL
    state = malloc(_decoder_size(1))
    if state != NULL and _decoder_init(state, OPUS_HZ, 1) != 0:
        free(state)
        return NULL
    return state


cdef void *opus_encoder() noexcept nogil:
    """Make an encoder for speech over lossy networks; NULL without memory or without libopus."""
    cdef void *state
    if _encoder_size == NULL:
        return NULL
    state = malloc(_encoder_size(1))
    if state != NULL and _encoder_init(state, OPUS_HZ, 1, VOIP) != 0:
        free(state)
        return NULL
    if state != NULL:
        pbx_opus_set(_encoder_ctl, state, SET_BITRATE, BITRATE)
        pbx_opus_set(_encoder_ctl, state, SET_COMPLEXITY, COMPLEXITY)
        pbx_opus_set(_encoder_ctl, state, SET_INBAND_FEC, 1)
        pbx_opus_set(_encoder_ctl, state, SET_PACKET_LOSS, EXPECTED_LOSS)
    return state


cdef void opus_forget_decoder(void *state) noexcept nogil:
    free(state)


cdef void opus_forget_encoder(void *state) noexcept nogil:
    free(state)


cdef void opus_decoder_reset(void *state) noexcept nogil:
    if state != NULL:
        pbx_opus_do(_decoder_ctl, state, RESET)


cdef void opus_encoder_reset(void *state) noexcept nogil:
    if state != NULL:
        pbx_opus_do(_encoder_ctl, state, RESET)


cdef int opus_decode(void *state, const uint8_t *packet, int size, int16_t *out, int most) noexcept nogil:
    """Decode a packet; returns samples, 0 where it is none."""
    cdef int count = _decode(state, packet, size, out, most, 0) if state != NULL else 0
    return max(count, 0)


cdef int opus_encode(void *state, const int16_t *samples, int count, uint8_t *out) noexcept nogil:
    """Encode 10, 20, 40 or 60 ms; returns octets."""
    cdef int size = _encode(state, samples, count, out, OPUS_MOST_BYTES) if state != NULL else 0
    return max(size, 0)


cdef int opus_length_ms(const uint8_t *packet, int size) noexcept nogil:
    """Return how much sound a packet holds; 0 where it is none, or more than 60 ms."""
    cdef int samples = _samples(packet, size, OPUS_HZ) if _samples != NULL else 0
    return samples * 1000 // OPUS_HZ if 0 < samples <= OPUS_HZ * 60 // 1000 else 0


cdef class Codec:
    """An encoder and a decoder, for tests and phones of tests."""

    cdef void *coder
    cdef void *decoder

    def __cinit__(self):
        self.coder, self.decoder = opus_encoder(), opus_decoder()
        if self.coder == NULL or self.decoder == NULL:
            raise MemoryError("no libopus")

    def __dealloc__(self):
        opus_forget_encoder(self.coder)
        opus_forget_decoder(self.decoder)

    def encode(self, const int16_t[::1] samples) -> bytes:
        """Encode one packet's worth at 16 kHz."""
        cdef uint8_t out[OPUS_MOST_BYTES]
        cdef int size = opus_encode(self.coder, &samples[0], <int>len(samples), out)
        return out[:size]

    def decode(self, const uint8_t[::1] packet) -> bytes:
        """Decode one packet to 16 kHz."""
        cdef int16_t out[960]
        cdef int count = opus_decode(self.decoder, &packet[0], <int>len(packet), out, 960)
        return (<uint8_t *>out)[:2 * count]
