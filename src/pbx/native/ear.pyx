# cython: language_level=3
"""What one peer says, turned into sound: 20 ms on every tick, whatever came and when."""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from pbx.native.conceal cimport PAST, conceal_good, conceal_lost, conceal_reset, find_period
from pbx.native.g711 cimport LAW_A, LAW_U, g711_decode
from pbx.native.g722 cimport g722_decode, g722_reset
from pbx.native.jitter cimport Slot, jitter_base, jitter_first, jitter_next, jitter_put, jitter_reset
from pbx.native.opus cimport (
    opus_decode, opus_decoder, opus_decoder_reset, opus_forget_decoder, opus_length_ms,
)
from pbx.native.pcm cimport narrow_down, widen

cdef enum:
    TICKS_PER_MS = 8            # RTP clock of every codec here; Opus's is divided down to it
    TICK_MS = 20
    STARVED_MS = 120            # without a packet this long: the peer is silent, not lossy
    SLACK_MS = 12               # more delay than wanted by this: shorten
    MUCH_MS = 40                # by this: shorten in the midst of speech
    LONG_MS = 60                # by this: shorten without a rest

cdef float SOME_DISORDER = 0.3


cdef int rate_of(int codec) noexcept nogil:
    return 16000 if codec == CODEC_G722 or codec == CODEC_OPUS else 8000


cdef int clock_of(int codec) noexcept nogil:
    """Return RTP time stamps a millisecond."""
    return 48 if codec == CODEC_OPUS else 8


cdef void ear_reset(Ear *ear, int codec) noexcept nogil:
    """Begin a stream; counters and the ring stay."""
    ear.codec = codec
    ear.rate_hz = rate_of(codec)
    ear.flowing = ear.starved = ear.queued = 0
    ear.ahead = 0
    jitter_reset(&ear.jitter, TICKS_PER_MS)
    conceal_reset(&ear.conceal, ear.rate_hz)
    g722_reset(&ear.g722)
    if codec == CODEC_OPUS:
        if ear.opus == NULL:
            ear.opus = opus_decoder()
        opus_decoder_reset(ear.opus)


cdef void ear_free(Ear *ear) noexcept nogil:
    if ear != NULL:
        opus_forget_decoder(ear.opus)
    free(ear)


cdef void ear_put(Ear *ear, uint16_t seq, uint32_t time_stamp, int duration, const uint8_t *payload, int size,
                  double now_ms) noexcept nogil:
    """Take in a packet of audio that came at *now_ms*; time stamp and duration in eighths of a millisecond."""
    cdef int refused
    if size <= 0 or size > 480 or duration <= 0 or duration > 480:      # 60 ms at 64 kbit/s
        return
    refused = jitter_put(&ear.jitter, seq, time_stamp, duration, payload, size, now_ms,
                         ear.due if ear.flowing else 0)
    if refused == 3:                # the time stamps jumped: a new stream
        ear_reset(ear, ear.codec)
        jitter_put(&ear.jitter, seq, time_stamp, duration, payload, size, now_ms, 0)


cdef int _decode(Ear *ear, Slot *slot) noexcept nogil:
    """Decode a packet to the end of the queue; what overlaps with sound already played is left out."""
    cdef int16_t *out = ear.queue + ear.queued
    cdef int count, skip = 0
    if ear.codec == CODEC_G722:
        count = g722_decode(&ear.g722, slot.payload, out, slot.size)
    elif ear.codec == CODEC_OPUS:
        count = opus_decode(ear.opus, slot.payload, slot.size, out, 960)
        if count != 2 * slot.duration:          # damaged: silence of its length
            count = 2 * slot.duration
            memset(out, 0, count * sizeof(int16_t))
    else:
        g711_decode(LAW_A if ear.codec == CODEC_PCMA else LAW_U, slot.payload, out, slot.size)
        count = slot.size
    if slot.at < ear.due:
        skip = <int>(ear.due - slot.at) * (count // slot.duration)
        count -= skip
        memmove(out, out + skip, count * sizeof(int16_t))
    conceal_good(&ear.conceal, out, count)
    ear.queued += count
    ear.due = slot.at + slot.duration
    ear.due_seq = slot.seq + 1
    slot.size = 0
    ear.starved = 0
    return count


cdef void _invent(Ear *ear, int count, bint heard) noexcept nogil:
    """Append *count* samples of concealment, or of silence where nothing was lost."""
    cdef int16_t *out = ear.queue + ear.queued
    if heard:
        conceal_lost(&ear.conceal, out, count)
        ear.concealed += count
    else:
        memset(out, 0, count * sizeof(int16_t))
        if ear.conceal.lost:
            ear.conceal.lost = 0
        conceal_good(&ear.conceal, out, count)
    ear.queued += count


cdef void _start(Ear *ear, Slot *first, int64_t now_ms) noexcept nogil:
    """Decide when a stream, or a talk spurt after silence, begins to be heard: its target after the fastest packet."""
    cdef double wait_ms = first.at / <double>TICKS_PER_MS + jitter_base(&ear.jitter) + ear.jitter.target_ms - now_ms
    if wait_ms > ear.jitter.target_ms + TICK_MS:
        wait_ms = ear.jitter.target_ms + TICK_MS
    ear.due = first.at - (<int64_t>(wait_ms * TICKS_PER_MS) if wait_ms > 0 else 0)
    ear.due_seq = first.seq
    ear.starved = 0
    ear.ahead = 0
    ear.flowing = 1


cdef double _waited(Ear *ear, int64_t now_ms) noexcept nogil:
    """Return for how long a packet without jitter that begins with what is due would have been here, in ms."""
    return now_ms - ear.due / <double>TICKS_PER_MS - jitter_base(&ear.jitter)


cdef void _fill(Ear *ear, int frame, int64_t now_ms) noexcept nogil:
    """Fill the queue to a frame."""
    cdef Slot *first
    cdef int missing
    while ear.queued < frame:
        first = jitter_next(&ear.jitter, ear.due_seq, ear.due)
        if first != NULL and first.at + first.duration <= ear.due:
            first.size = 0
            ear.jitter.late += 1
        elif first != NULL and first.at <= ear.due:
            ear.ahead = 0
            _decode(ear, first)
        elif first != NULL:
            _bridge(ear, first, frame - ear.queued, now_ms)
        else:
            missing = frame - ear.queued
            ear.starved += missing * 1000 // ear.rate_hz
            if ear.starved > STARVED_MS:
                ear.flowing = 0
                _invent(ear, missing, False)
                return
            _invent(ear, missing, True)
            _pass_by(ear, missing, now_ms)


cdef void _bridge(Ear *ear, Slot *first, int missing, int64_t now_ms) noexcept nogil:
    """Fill the gap before the next packet, or a part of it."""
    cdef int per_tick = ear.rate_hz // 8000
    cdef int64_t gap = (first.at - ear.due) * per_tick, spent = min(gap, ear.ahead)
    if spent > 0:               # what was hoped for is lost: it has been concealed already
        ear.ahead -= spent
        ear.due += spent // per_tick
        return
    missing = <int>min(<int64_t>missing, gap)
    if first.seq == ear.due_seq or ear.starved >= STARVED_MS:
        _invent(ear, missing, False)    # sequence numbers in a row: the peer was silent, nothing was lost
        ear.due += missing // per_tick
        return
    _invent(ear, missing, True)
    if ear.jitter.disorder < SOME_DISORDER:
        ear.due += missing // per_tick  # a younger packet is here, and on this way none overtakes another
    else:
        _pass_by(ear, missing, now_ms)


cdef void _pass_by(Ear *ear, int missing, int64_t now_ms) noexcept nogil:
    """Give up a packet that is later than packets are; for another one wait, and the delay grows."""
    if _waited(ear, now_ms) >= ear.jitter.target_ms:
        ear.due += missing // (ear.rate_hz // 8000)
    else:
        ear.ahead += missing


cdef void _measure(Ear *ear, int64_t now_ms) noexcept nogil:
    """Learn how long a packet without jitter waits until it is heard."""
    cdef double next_ms = (ear.due - ear.queued * 8000 // ear.rate_hz) / <double>TICKS_PER_MS
    ear.delay_ms = <float>(now_ms - next_ms - jitter_base(&ear.jitter))


cdef bint _can_shorten(Ear *ear, int frame, int period, int64_t now_ms) noexcept nogil:
    """Have two periods in the queue, and one to spare; another packet is taken where it has waited long enough."""
    cdef Slot *first
    if ear.queued >= frame + period and ear.queued >= 2 * period:
        return True
    first = jitter_first(&ear.jitter)
    if first == NULL or first.at != ear.due or ear.queued + 480 * (ear.rate_hz // 8000) > QUEUE:
        return False
    if _waited(ear, now_ms) < ear.jitter.target_ms:
        return False
    _decode(ear, first)
    return ear.queued >= frame + period and ear.queued >= 2 * period


cdef void _shorten(Ear *ear, int frame, int64_t now_ms) noexcept nogil:
    """Leave out one pitch period, or 5 to 15 ms of quiet, where packets wait longer than they need to."""
    cdef int period, i, quiet = 1, longest = ear.rate_hz * 3 // 200
    cdef float likeness = 0.0, weight, over = ear.delay_ms - ear.jitter.target_ms
    cdef int16_t *x = ear.queue
    if ear.rest > 0:
        ear.rest -= TICK_MS
    if over < SLACK_MS or ear.rest > 0 and over < LONG_MS:
        return
    if not _can_shorten(ear, frame, longest, now_ms) or ear.queued < ear.rate_hz * 7 // 200:
        return
    for i in range(ear.queued):
        if x[i] > 200 or x[i] < -200:
            quiet = 0
            break
    if not quiet and over < MUCH_MS:
        return              # in the midst of speech only where it matters
    period = find_period(x + ear.queued, ear.rate_hz, &likeness)
    if not quiet and likeness < 0.5 and over < LONG_MS:
        ear.rest = 3 * TICK_MS      # nothing here repeats itself; to look is dear
        return
    for i in range(period):
        weight = <float>(i + 1) / (period + 1)
        x[i] = <int16_t>(x[i] * (1.0 - weight) + x[i + period] * weight)
    memmove(x + period, x + 2 * period, (ear.queued - 2 * period) * sizeof(int16_t))
    ear.queued -= period
    ear.cut += period
    ear.rest = 20 if quiet else 200


cdef void ear_tick(Ear *ear, int64_t now_ms) noexcept nogil:
    """Append 20 ms to the ring: what the peer said, as it is heard up to *now_ms*."""
    cdef int frame = ear.rate_hz // 50, per_ms = ear.rate_hz // 1000
    cdef int place = <int>((now_ms - TICK_MS) % 80) * per_ms
    cdef Slot *first
    if not ear.flowing:
        first = jitter_first(&ear.jitter)
        if first != NULL:
            _start(ear, first, now_ms)
    if ear.flowing:
        _measure(ear, now_ms)
        _fill(ear, frame, now_ms)
        _shorten(ear, frame, now_ms)
    elif ear.queued < frame:
        _invent(ear, frame - ear.queued, False)
    if 0 < now_ms - TICK_MS - ear.written_ms <= 80 - TICK_MS:
        _hush(ear, <int>(now_ms - TICK_MS - ear.written_ms))     # the port changed its slot
    _write(ear, place, frame)
    ear.queued -= frame
    memmove(ear.queue, ear.queue + frame, ear.queued * sizeof(int16_t))
    ear.written_ms = now_ms


cdef void _write(Ear *ear, int place, int frame) noexcept nogil:
    """Write a frame into the ring of its rate, and of the other one where somebody listens there."""
    cdef int16_t converted[320]
    cdef int size = 80 * ear.rate_hz // 1000, other_place, other_frame, other_size
    _ring(ear.ring, size, place, ear.queue, frame)
    if not ear.both_rates:
        return
    if ear.rate_hz == 16000:
        narrow_down(&ear.half, ear.queue, converted, frame)
        other_frame, other_place, other_size = frame // 2, place // 2, size // 2
    else:
        widen(&ear.half, ear.queue, converted, frame)
        other_frame, other_place, other_size = frame * 2, place * 2, size * 2
    _ring(ear.other, other_size, other_place, converted, other_frame)


cdef void _hush(Ear *ear, int gap_ms) noexcept nogil:
    """Continue both rings with silence."""
    cdef int16_t nothing[960]
    cdef int begin = <int>(ear.written_ms % 80)
    memset(nothing, 0, sizeof(nothing))
    _ring(ear.ring, 80 * ear.rate_hz // 1000, begin * ear.rate_hz // 1000, nothing, gap_ms * ear.rate_hz // 1000)
    if ear.both_rates:
        memset(ear.other, 0, sizeof(ear.other))


cdef void _ring(int16_t *ring, int size, int place, const int16_t *samples, int count) noexcept nogil:
    cdef int first = min(count, size - place)
    memcpy(ring + place, samples, first * sizeof(int16_t))
    memcpy(ring, samples + first, (count - first) * sizeof(int16_t))


cdef void ear_read(Ear *ear, int64_t until_ms, int rate_hz, int16_t *out) noexcept nogil:
    """Copy the 20 ms that end at *until_ms*, or the newest 20 ms before; silence where nothing was said lately."""
    cdef int size = 80 * rate_hz // 1000, frame = rate_hz // 50, place, first
    cdef int16_t *ring = ear.other
    cdef int64_t behind = until_ms - ear.written_ms
    if rate_hz == ear.rate_hz:
        ring = ear.ring
    if behind > 0:
        until_ms -= TICK_MS if behind <= TICK_MS else 0
    if until_ms > ear.written_ms or until_ms < ear.written_ms - 40:
        memset(out, 0, frame * sizeof(int16_t))
        return
    place = <int>((until_ms - TICK_MS) % 80) * (rate_hz // 1000)
    first = min(frame, size - place)
    memcpy(out, ring + place, first * sizeof(int16_t))
    memcpy(out + first, ring, (frame - first) * sizeof(int16_t))


cdef class Probe:
    """An ear by itself, for tests: packets in with their instants, sound out tick by tick."""

    cdef Ear *ear

    def __cinit__(self, int codec=CODEC_PCMU):
        self.ear = <Ear *>calloc(1, sizeof(Ear))
        if self.ear == NULL:
            raise MemoryError
        ear_reset(self.ear, codec)

    def __dealloc__(self):
        ear_free(self.ear)

    def put(self, int seq, uint32_t time_stamp, const uint8_t[::1] payload, double now_ms) -> None:
        """Hand in a packet."""
        cdef int duration = <int>len(payload)
        if self.ear.codec == CODEC_OPUS:
            duration = 8 * opus_length_ms(&payload[0], duration)
        ear_put(self.ear, <uint16_t>(seq & 0xFFFF), time_stamp, duration, &payload[0], <int>len(payload), now_ms)

    def tick(self, int64_t now_ms, int rate_hz=0) -> bytes:
        """Return the 20 ms up to *now_ms*."""
        cdef int16_t frame[320]
        if rate_hz and rate_hz != self.ear.rate_hz:
            self.ear.both_rates = 1
        ear_tick(self.ear, now_ms)
        ear_read(self.ear, now_ms, rate_hz or self.ear.rate_hz, frame)
        return (<uint8_t *>frame)[:2 * (rate_hz or self.ear.rate_hz) // 50]

    @property
    def counts(self) -> dict:
        return {
            "late": self.ear.jitter.late, "duplicates": self.ear.jitter.duplicates,
            "overrun": self.ear.jitter.overrun, "concealed": self.ear.concealed, "cut": self.ear.cut,
            "delay_ms": self.ear.delay_ms, "target_ms": self.ear.jitter.target_ms,
        }
