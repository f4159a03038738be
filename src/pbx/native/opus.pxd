"""Opus through libopus, called by address: mono at 16 kHz, so that nothing has to be resampled."""

from libc.stdint cimport int16_t, uint8_t

cdef enum:
    OPUS_HZ = 16000
    OPUS_MOST_BYTES = 400

cdef void *opus_decoder() noexcept nogil
cdef void *opus_encoder() noexcept nogil
cdef void opus_forget_decoder(void *state) noexcept nogil
cdef void opus_forget_encoder(void *state) noexcept nogil
cdef void opus_decoder_reset(void *state) noexcept nogil
cdef void opus_encoder_reset(void *state) noexcept nogil
cdef int opus_decode(void *state, const uint8_t *packet, int size, int16_t *out, int most) noexcept nogil
cdef int opus_encode(void *state, const int16_t *samples, int count, uint8_t *out) noexcept nogil
cdef int opus_length_ms(const uint8_t *packet, int size) noexcept nogil
