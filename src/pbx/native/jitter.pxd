"""The jitter buffer of one stream: packets in by sequence number, the delay that they need as a quantile."""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t

cdef enum:
    SLOTS = 32
    PAYLOAD_BYTES = 496
    DELAY_BINS = 128            # of 4 ms

cdef struct Slot:
    int64_t at                  # unwrapped time stamp
    uint16_t seq
    uint16_t size               # 0: empty
    int16_t duration            # in time stamp units
    uint8_t payload[PAYLOAD_BYTES]

cdef struct Jitter:
    int ticks_per_ms            # of the RTP clock
    int started
    int64_t newest              # unwrapped time stamp
    uint16_t newest_seq
    int64_t late
    int64_t duplicates
    int64_t overrun             # overwritten before they were played
    double least[2]             # smallest transit of this window and the one before, ms
    double window_ends_ms
    float bins[DELAY_BINS]
    float weight                # of the next packet: old ones fade because new ones grow
    float total
    int counted
    float disorder              # packets lately that came after younger ones
    float target_ms             # how long packets should wait, beyond the fastest
    Slot slots[SLOTS]

cdef void jitter_reset(Jitter *jitter, int ticks_per_ms) noexcept nogil
cdef int jitter_put(Jitter *jitter, uint16_t seq, uint32_t time_stamp, int duration, const uint8_t *payload, int size,
                    double now_ms, int64_t due) noexcept nogil
cdef Slot *jitter_first(Jitter *jitter) noexcept nogil
cdef Slot *jitter_next(Jitter *jitter, uint16_t seq, int64_t due) noexcept nogil
cdef double jitter_base(Jitter *jitter) noexcept nogil
