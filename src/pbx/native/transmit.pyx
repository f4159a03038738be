# cython: language_level=3
"""Packets out. A port's stream keeps its SSRC, and its sequence numbers have no gap, whatever feeds it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from pbx.native.core cimport HEADER_BYTES, NO_EVENTS, PACKET_BYTES, Core, Port, mouth_of
from pbx.native.dtmf cimport digit_tone
from pbx.native.ear cimport CODEC_PCMA, CODEC_PCMU, clock_of
from pbx.native.g711 cimport LAW_A, LAW_U, g711_convert
from pbx.native.pcm cimport saturate
from pbx.native.sockets cimport send_rtp
from pbx.native.srtp cimport SRTP_OK, SRTP_REPLAYED, SRTP_TOO_OLD, TRAILER_BYTES, protect
from pbx.native.voice cimport MAX_DIGITS, Mouth, encode_packet

cdef enum:
    TICK_MS = 20
    END_COPIES = 3              # RFC 4733 2.5.1.4: the last packet of an event is sent three times
    PAUSE_MS = 60               # between two digits


cdef bint _send(Core *core, Port *port, int pt, bint marker, uint16_t seq, uint32_t ts, long length) noexcept nogil:
    """Put a header before what lies in ``core.copy`` and send it."""
    cdef uint8_t *out = core.copy
    cdef int size, status
    out[0] = 0x80
    out[1] = (0x80 if marker else 0) | pt
    out[2], out[3] = seq >> 8, seq & 0xFF
    out[4], out[5], out[6], out[7] = ts >> 24, (ts >> 16) & 0xFF, (ts >> 8) & 0xFF, ts & 0xFF
    out[8], out[9] = port.out_ssrc >> 24, (port.out_ssrc >> 16) & 0xFF
    out[10], out[11] = (port.out_ssrc >> 8) & 0xFF, port.out_ssrc & 0xFF
    size = <int>(HEADER_BYTES + length)
    if port.keys_out != NULL:
        status = protect(port.keys_out, out, &size)
        if status != SRTP_OK:   # rather silent than in clear; a number that was used before is a relayed duplicate
            port.send_errors += status != SRTP_REPLAYED and status != SRTP_TOO_OLD
            return False
    if not send_rtp(core, port, out, size):
        port.send_errors += 1
        return False
    port.packets_out += 1
    port.octets_out += length
    return True


cdef uint32_t elapsed(Port *port, int64_t now) noexcept nogil:
    """Return the time since the last packet out, on the codec's RTP clock."""
    return <uint32_t>((now - port.out_ns) * clock_of(port.codec) // 1000000)


cdef void forward(Core *core, Port *source, Port *port, uint8_t *p, int pt, long header, long size,
                  int64_t now) noexcept nogil:
    """Send a packet of *source*'s to the peer of *port*, as a stream of *port*'s own."""
    cdef uint16_t seq
    cdef uint32_t ts
    cdef long length = size - header
    cdef int out_pt
    cdef bint marker = p[1] >> 7
    if length > PACKET_BYTES - HEADER_BYTES - TRAILER_BYTES:
        return
    if not port.send_on or not port.has_remote:
        port.mapped = 0     # after a pause the stream goes on without a gap in its sequence numbers
        return
    if pt == source.audio_pt:
        out_pt = port.audio_pt
    elif port.events_pt >= 0:
        out_pt = port.events_pt
    else:
        return
    seq = <uint16_t>((p[2] << 8) | p[3])
    ts = (p[4] << 24) | (p[5] << 16) | (p[6] << 8) | p[7]
    if not port.mapped or port.map_ssrc != source.in_ssrc:
        # A new source: go on where our own stream stood, with the time that passed meanwhile.
        port.map_ssrc = source.in_ssrc
        port.mapped = 1
        port.seq_shift = <uint16_t>(port.out_seq + 1 - seq)
        port.ts_shift = port.out_ts + elapsed(port, now) - ts
        marker = True
    seq += port.seq_shift
    ts += port.ts_shift
    if pt == source.audio_pt and source.codec == CODEC_PCMA and port.codec == CODEC_PCMU:
        g711_convert(LAW_A, p + header, core.copy + HEADER_BYTES, <int>length)
    elif pt == source.audio_pt and source.codec == CODEC_PCMU and port.codec == CODEC_PCMA:
        g711_convert(LAW_U, p + header, core.copy + HEADER_BYTES, <int>length)
    else:
        memcpy(core.copy + HEADER_BYTES, p + header, length)
        if pt != source.audio_pt and source.events_clock != port.events_clock and length >= 4:
            _other_clock(core.copy + HEADER_BYTES, source.events_clock, port.events_clock)
    if _send(core, port, out_pt, marker, seq, ts, length) and <uint16_t>(seq - port.out_seq) < 0x8000:
        port.out_seq, port.out_ts, port.out_ns = seq, ts, now


cdef void _other_clock(uint8_t *event, int theirs, int ours) noexcept nogil:
    """Say how long a digit has lasted in the units of another peer."""
    cdef int lasted = ((event[2] << 8) | event[3]) * ours // theirs
    lasted = min(lasted, 0xFFFF)
    event[2], event[3] = lasted >> 8, lasted & 0xFF


cdef bint _begin(Port *port, int64_t now) noexcept nogil:
    """Begin a talk spurt where one is due; False where nothing may be sent."""
    cdef Mouth *mouth = port.mouth
    port.mapped = 0
    if mouth.fresh == 2:
        mouth.fresh = 1
        mouth.next_ts = port.out_ts + elapsed(port, now)
        mouth.filled = 0
    if not port.send_on or not port.has_remote:
        mouth.fresh = 2
        return False
    return True


cdef void speak_coded(Core *core, Port *port, const uint8_t *payload, int size, int64_t now) noexcept nogil:
    """Send 20 ms that were encoded already."""
    cdef Mouth *mouth = port.mouth
    if not _begin(port, now):
        return
    memcpy(core.copy + HEADER_BYTES, payload, size)
    port.out_seq += 1
    port.out_ts, port.out_ns = mouth.next_ts, now
    _send(core, port, port.audio_pt, mouth.fresh, port.out_seq, mouth.next_ts, size)
    mouth.next_ts += TICK_MS * mouth.clock
    mouth.fresh = 0


cdef void speak(Core *core, Port *port, int32_t *total, int64_t now) noexcept nogil:
    """Send 20 ms of sound, in packets of the length that the peer wants, or a digit in its place."""
    cdef Mouth *mouth = port.mouth
    cdef int frame = mouth.rate_hz // 50, i, packet, length
    if not _begin(port, now):
        return
    if port.events_pt == NO_EVENTS:
        _sound_digit(mouth, total, frame)
    elif _speak_digit(core, port, now):
        mouth.filled = 0
        mouth.next_ts += TICK_MS * mouth.clock
        return
    for i in range(frame):
        mouth.out[mouth.filled + i] = saturate(total[i])
    mouth.filled += frame
    packet = port.ptime_ms * mouth.rate_hz // 1000
    while mouth.filled >= packet:
        length = encode_packet(mouth, packet, core.copy + HEADER_BYTES)
        if length <= 0:
            mouth.next_ts += port.ptime_ms * mouth.clock
            continue
        port.out_seq += 1
        port.out_ts, port.out_ns = mouth.next_ts, now
        _send(core, port, port.audio_pt, mouth.fresh, port.out_seq, mouth.next_ts, length)
        mouth.next_ts += port.ptime_ms * mouth.clock
        mouth.fresh = 0


cdef void _sound_digit(Mouth *mouth, int32_t *total, int frame) noexcept nogil:
    """Put a digit's tone, and silence after it, in the place of what would be said."""
    if mouth.digit_ms < 0:
        if mouth.pause_ms > 0:
            mouth.pause_ms -= TICK_MS
            memset(total, 0, frame * sizeof(int32_t))
            return
        if not mouth.digit_count:
            return
        mouth.digit_ms = 0
    digit_tone(mouth.digits[0], mouth.digit_ms * mouth.rate_hz // 1000, total, frame, mouth.rate_hz)
    mouth.digit_ms += TICK_MS
    if mouth.digit_ms >= mouth.digit_length_ms:
        _next_digit(mouth)


cdef void _next_digit(Mouth *mouth) noexcept nogil:
    cdef int i
    mouth.digit_ms = -1
    mouth.pause_ms = PAUSE_MS
    mouth.digit_count -= 1
    for i in range(mouth.digit_count):
        mouth.digits[i] = mouth.digits[i + 1]


cdef bint _speak_digit(Core *core, Port *port, int64_t now) noexcept nogil:
    """Send what is due of a digit (RFC 4733); False when there is none and sound may be sent."""
    cdef Mouth *mouth = port.mouth
    cdef int i, lasted, copies = 1
    cdef uint8_t *out = core.copy + HEADER_BYTES
    cdef bint last
    if mouth.digit_ms < 0:
        if mouth.pause_ms > 0:
            mouth.pause_ms -= TICK_MS
            return False
        if not mouth.digit_count:
            return False
        if port.events_pt < 0:
            mouth.digit_count = 0
            return False
        mouth.digit_ms = 0
        mouth.digit_ts = mouth.next_ts
    mouth.digit_ms += TICK_MS
    last = mouth.digit_ms >= mouth.digit_length_ms
    if last:
        copies = END_COPIES
    for i in range(copies):
        out[0] = mouth.digits[0]
        out[1] = (0x80 if last else 0) | 10     # −10 dBm0
        lasted = mouth.digit_ms * port.events_clock
        out[2], out[3] = lasted >> 8, lasted & 0xFF
        port.out_seq += 1
        _send(core, port, port.events_pt, mouth.digit_ms == TICK_MS, port.out_seq, mouth.digit_ts, 4)
    port.out_ts, port.out_ns = mouth.digit_ts, now - <int64_t>(mouth.digit_ms - TICK_MS) * 1000000
    mouth.fresh = 0
    if last:
        _next_digit(mouth)
    return True


cdef void queue_digit(Port *port, uint8_t event, int length_ms) noexcept nogil:
    """Have a digit sent after those that wait; more than the queue holds are dropped."""
    cdef Mouth *mouth = mouth_of(port)
    if mouth != NULL and mouth.digit_count < MAX_DIGITS:
        mouth.digits[mouth.digit_count] = event
        mouth.digit_count += 1
        mouth.digit_length_ms = length_ms
