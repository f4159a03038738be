# cython: language_level=3
"""The jitter buffer of one stream.

Every packet's transit is held against the fastest of the last seconds (which follows two clocks that drift); the
differences make a histogram that forgets, and the target is its quantile.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

cdef enum:
    BIN_MS = 4
    WINDOW_MS = 3000
    JUMP_MS = 5000              # a time stamp this far off begins a new stream
    PUT_OK = 0, PUT_LATE, PUT_DUPLICATE, PUT_JUMP

cdef double QUANTILE = 0.990
cdef float GROWTH = 1.0015      # half of the weight lies in the last 460 packets
cdef float MEMORY = 0.995
cdef float FIRST_TARGET_MS = 20.0
cdef float LARGEST_TARGET_MS = 480.0


cdef void jitter_reset(Jitter *jitter, int ticks_per_ms) noexcept nogil:
    """Forget packets and delays, keep the counters."""
    cdef int64_t late = jitter.late, duplicates = jitter.duplicates, overrun = jitter.overrun
    memset(jitter, 0, sizeof(Jitter))
    jitter.late, jitter.duplicates, jitter.overrun = late, duplicates, overrun
    jitter.ticks_per_ms = ticks_per_ms
    jitter.weight = 1.0
    jitter.target_ms = FIRST_TARGET_MS


cdef double jitter_base(Jitter *jitter) noexcept nogil:
    """Return the smallest transit lately, in ms."""
    return jitter.least[0] if jitter.least[0] < jitter.least[1] else jitter.least[1]


cdef void _observe(Jitter *jitter, double transit_ms, double now_ms) noexcept nogil:
    cdef int i, place
    cdef float seen, wanted
    if now_ms >= jitter.window_ends_ms:
        jitter.least[1] = jitter.least[0] if jitter.counted else transit_ms
        jitter.least[0] = transit_ms
        jitter.window_ends_ms = now_ms + WINDOW_MS
    elif transit_ms < jitter.least[0]:
        jitter.least[0] = transit_ms
    place = <int>((transit_ms - jitter_base(jitter)) / BIN_MS)
    place = max(0, min(place, DELAY_BINS - 1))
    jitter.bins[place] += jitter.weight
    jitter.total += jitter.weight
    jitter.weight *= GROWTH
    jitter.counted += 1
    if jitter.weight > 1e6:
        for i in range(DELAY_BINS):
            jitter.bins[i] *= 1e-6
        jitter.weight *= 1e-6
        jitter.total *= 1e-6
    if jitter.counted < 25 and (place + 1) * BIN_MS <= jitter.target_ms or jitter.counted % 8 and place == 0:
        return
    seen, wanted = 0.0, jitter.total * QUANTILE
    for i in range(DELAY_BINS):
        seen += jitter.bins[i]
        if seen >= wanted:
            break
    jitter.target_ms = min(<float>((i + 1) * BIN_MS), LARGEST_TARGET_MS)


cdef int jitter_put(Jitter *jitter, uint16_t seq, uint32_t time_stamp, int duration, const uint8_t *payload, int size,
                    double now_ms, int64_t due) noexcept nogil:
    """Take in a packet at *now_ms*; *due* is the unwrapped time stamp that will be played next.

    Returns 0, or why it was refused: 1 late, 2 a duplicate, 3 the time stamps jumped (the caller resets).
    """
    cdef int64_t at
    cdef Slot *slot = &jitter.slots[seq % SLOTS]
    if not jitter.started:
        jitter.started = 1
        jitter.newest = <int64_t>1 << 32 | time_stamp
        jitter.newest_seq = seq
        jitter.least[0] = jitter.least[1] = 1e18
    at = jitter.newest + <int32_t>(time_stamp - <uint32_t>jitter.newest)
    if at > jitter.newest + JUMP_MS * jitter.ticks_per_ms or at < jitter.newest - JUMP_MS * jitter.ticks_per_ms:
        return PUT_JUMP
    if slot.size and slot.seq == seq:
        jitter.duplicates += 1
        return PUT_DUPLICATE
    _observe(jitter, now_ms - <double>at / jitter.ticks_per_ms, now_ms)
    jitter.disorder *= MEMORY
    if at > jitter.newest:
        jitter.newest = at
        jitter.newest_seq = seq
    elif at < jitter.newest:
        jitter.disorder += 1
    if at + duration <= due:
        jitter.late += 1
        return PUT_LATE
    if slot.size:
        jitter.overrun += 1
    slot.seq, slot.at, slot.duration = seq, at, duration
    slot.size = min(size, PAYLOAD_BYTES)
    memcpy(slot.payload, payload, slot.size)
    return PUT_OK


cdef Slot *jitter_first(Jitter *jitter) noexcept nogil:
    """Return the earliest packet, NULL where there is none."""
    cdef Slot *first = NULL
    cdef int i
    for i in range(SLOTS):
        if jitter.slots[i].size and (first == NULL or jitter.slots[i].at < first.at):
            first = &jitter.slots[i]
    return first


cdef Slot *jitter_next(Jitter *jitter, uint16_t seq, int64_t due) noexcept nogil:
    """Return the packet that is expected, looked up where it must lie, else the earliest one."""
    cdef Slot *slot = &jitter.slots[seq % SLOTS]
    if slot.size and slot.seq == seq and slot.at == due:
        return slot
    return jitter_first(jitter)
