"""What one peer says, as sound on the engine's clock: jitter buffer, decoder, concealment, a ring of the last 80 ms."""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t

from pbx.native.conceal cimport Conceal
from pbx.native.g722 cimport G722
from pbx.native.jitter cimport Jitter
from pbx.native.pcm cimport HalfBand

cdef enum:
    CODEC_OTHER = 0, CODEC_PCMU, CODEC_PCMA, CODEC_G722, CODEC_OPUS
    RING = 1280                 # samples: 80 ms at 16 kHz, 160 at 8
    QUEUE = 1920                # decoded and not yet heard: 120 ms at 16 kHz

cdef struct Ear:
    int codec
    int rate_hz
    int flowing                 # packets come; else silence is what is said
    int starved                 # ms without a packet
    int64_t due                 # unwrapped time stamp of what is decoded next
    uint16_t due_seq
    int queued
    int64_t ahead               # samples invented in the hope of a packet that had not come yet
    int rest                    # ms until the buffer may be shortened again
    int both_rates              # somebody listens at the other rate
    int64_t written_ms          # the ring holds sound up to this instant of the engine's clock
    int64_t concealed           # samples invented
    int64_t cut                 # samples left out to shorten the delay
    float delay_ms              # what a packet waits, lately
    Jitter jitter
    Conceal conceal
    G722 g722
    void *opus                  # decoder, made when first wanted
    HalfBand half
    int16_t queue[QUEUE]
    int16_t ring[RING]
    int16_t other[RING]         # the same at the other rate

cdef int rate_of(int codec) noexcept nogil
cdef int clock_of(int codec) noexcept nogil
cdef void ear_reset(Ear *ear, int codec) noexcept nogil
cdef void ear_free(Ear *ear) noexcept nogil
cdef void ear_put(Ear *ear, uint16_t seq, uint32_t time_stamp, int duration, const uint8_t *payload, int size,
                  double now_ms) noexcept nogil
cdef void ear_tick(Ear *ear, int64_t now_ms) noexcept nogil
cdef void ear_read(Ear *ear, int64_t until_ms, int rate_hz, int16_t *out) noexcept nogil
