"""What a port says to its peer: the player, digits to send, the encoder and the packets it fills."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t

from pbx.native.g722 cimport G722

cdef enum:
    MAX_CLIPS = 64
    MAX_DIGITS = 64
    CODED_BYTES = 400           # of 20 ms, in any codec
    CODECS = 5
    OUT_SAMPLES = 1600          # encoded in packets of up to 60 ms, and a frame more

# One frame of a shared stream as a codec says it: encoded once for all who hear it.
cdef struct Coded:
    int64_t turn                # which frame
    int size
    uint8_t payload[CODED_BYTES]

cdef struct Playlist:
    int count
    int loop
    int rate_hz
    const int16_t *samples[MAX_CLIPS]
    int64_t lengths[MAX_CLIPS]
    # A shared stream: one clip that goes round by the clock, the same for all who hear it on one thread.
    Coded coded[CODECS]
    G722 g722
    void *opus

cdef struct Mouth:
    int codec
    int rate_hz
    G722 g722
    void *opus                  # encoder, made when first wanted
    int clock                   # RTP time stamps a millisecond
    int16_t out[OUT_SAMPLES]
    int filled
    uint32_t next_ts            # of the next packet
    int fresh                   # 2: begin a talk spurt; 1: its first packet is being filled
    # the player
    Playlist *playing           # owned by Python until it hears that it ended
    uint32_t token
    int clip
    int64_t place
    int shared                  # it is a stream for many, on this thread
    # digits to send (RFC 4733)
    uint8_t digits[MAX_DIGITS]
    int digit_count
    int digit_ms                # since the digit began, -1: none is being sent
    int digit_length_ms
    int pause_ms                # until the next one may begin
    uint32_t digit_ts

cdef void mouth_reset(Mouth *mouth, int codec) noexcept nogil
cdef void mouth_free(Mouth *mouth) noexcept nogil
cdef bint play_frame(Mouth *mouth, int32_t *total, int frame) noexcept nogil
cdef void tune_in(Mouth *mouth, int64_t now_ms) noexcept nogil
cdef Coded *shared_frame(Mouth *mouth, int64_t now_ms) noexcept nogil
cdef int encode_packet(Mouth *mouth, int samples, uint8_t *out) noexcept nogil
