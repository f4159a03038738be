# cython: language_level=3
"""Packets in. What is not the peer's is counted and dropped before it can touch anything else."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from pbx.native.core cimport (
    DIGIT_MS, HEADER_BYTES, M_BACK, N_DIGIT, N_MEDIA, NO_EVENTS, PIN_PACKETS, Core, Port, lost_of, notify, soil,
)
from pbx.native.ear cimport CODEC_OPUS, CODEC_OTHER, ear_put, ear_reset
from pbx.native.matrix cimport plan
from pbx.native.opus cimport opus_length_ms
from pbx.native.rtcp cimport control
from pbx.native.srtp cimport SRTP_OK, SRTP_REPLAYED, SRTP_TOO_OLD, unprotect
from pbx.native.transmit cimport forward, queue_digit
from pbx.native.udp cimport pbx_address, pbx_address_equal

cdef enum:
    COMFORT_NOISE = 13          # RFC 3389
    MOST_DIGITS = 30            # in a second
    STEADY_TICKS = 40           # 5 ms off: not regular
    AGAIN_NS = 1000000000       # after that, a stamp that was told is a new digit


cdef void packet(Core *core, uint32_t index, long size, pbx_address *source, int64_t now) noexcept nogil:
    """Work off the datagram in ``core.packet``; *source* is NULL where a connected socket heard the peer."""
    cdef uint8_t *p = core.packet
    cdef Port *port = &core.ports[index]
    cdef int pt, i
    cdef long header, duration
    cdef uint32_t ssrc
    if size < HEADER_BYTES or p[0] >> 6 != 2:
        port.invalid += 1
        return
    pt = p[1] & 0x7F
    if 64 <= pt <= 95:      # RTCP on the same port (RFC 5761)
        control(core, index, size, source, now)
        return
    if port.keys_in != NULL and not _decrypt(port, p, &size):
        return
    header = HEADER_BYTES + 4 * (p[0] & 0x0F)
    if p[0] & 0x10:
        if size < header + 4:
            port.invalid += 1
            return
        header += 4 + 4 * ((p[header + 2] << 8) | p[header + 3])
    if p[0] & 0x20 and size > header:
        size -= p[size - 1]
    if size <= header or (pt != port.audio_pt and pt != port.events_pt and pt != COMFORT_NOISE):
        port.invalid += 1
        return
    ssrc = (p[8] << 24) | (p[9] << 16) | (p[10] << 8) | p[11]
    if source != NULL and not _learn(port, source, ssrc, <uint16_t>((p[2] << 8) | p[3])):
        port.wrong_source += 1
        port.foreign += 1
        return
    if port.inband and not port.has_in:
        soil(core, index)   # from now on there is something to listen to
    _account(port, p, ssrc, now)
    if port.media_state != M_BACK:
        port.media_state = M_BACK
        notify(core, N_MEDIA, index, 0, M_BACK)
    if pt == port.events_pt:
        _digit(core, index, p, p + header, size - header, now)
    elif pt == port.audio_pt:
        duration = size - header
        if port.codec == CODEC_OPUS:
            duration = 8 * opus_length_ms(p + header, <int>duration)
        if port.in_ms == 0 or duration != 8 * port.in_ms:
            _length(core, index, duration)
        if port.heard and port.receive_on:
            ear_put(port.ear, port.in_seq_of_packet, port.in_ts_of_packet, <int>duration, p + header,
                    <int>(size - header), (now - core.begun_ns) * 1e-6)
    if not port.receive_on or pt == port.events_pt and port.consume:
        return
    for i in range(port.listener_count):
        if core.ports[port.listeners[i]].relaying:
            forward(core, port, &core.ports[port.listeners[i]], p, pt, header, size, now)


cdef bint _decrypt(Port *port, uint8_t *p, long *size) noexcept nogil:
    """Check and decrypt the packet in hand; what fails is counted and is not the peer's."""
    cdef int left = <int>size[0]
    cdef int status = unprotect(port.keys_in, p, &left)
    size[0] = left
    if status == SRTP_OK:
        return True
    if status == SRTP_REPLAYED or status == SRTP_TOO_OLD:
        port.replayed += 1
    else:
        port.undecryptable += 1
        port.garbled += 1
    return False


cdef void _length(Core *core, uint32_t index, long duration) noexcept nogil:
    """Learn how much the peer puts into a packet: two alike in a row are believed."""
    cdef Port *port = &core.ports[index]
    cdef int ms = <int>(duration // 8)
    if port.codec == CODEC_OTHER or duration % 80 or not 0 < ms <= 60:
        return
    if ms == port.last_in_ms and ms != port.in_ms:
        port.in_ms = ms
        plan(core, index)
    port.last_in_ms = ms


cdef bint _learn(Port *port, pbx_address *source, uint32_t ssrc, uint16_t seq) noexcept nogil:
    """Decide whether a packet is the peer's, and follow it there (symmetric RTP that cannot be stolen).

    The address that signalling named always counts. Another one is believed while nothing valid has come, and is
    pinned after a few packets; from then on only the same stream (SSRC, and a sequence number just ahead) may move.
    """
    if pbx_address_equal(source, &port.remote):
        if port.pinned < PIN_PACKETS:
            port.pinned += 1
        return True
    if pbx_address_equal(source, &port.named) or port.pinned < PIN_PACKETS and not port.has_in:
        port.remote = source[0]
        port.pinned = port.moved = 1
        return True
    # Whoever has the key is the peer; without one, only its stream may move.
    if port.keys_in != NULL or port.has_in and ssrc == port.in_ssrc and <uint16_t>(seq - port.in_seq - 1) < 100:
        port.remote = source[0]
        port.moved = 1
        return True
    return False


cdef void _account(Port *port, uint8_t *p, uint32_t ssrc, int64_t now) noexcept nogil:
    cdef uint16_t seq = <uint16_t>((p[2] << 8) | p[3])
    cdef uint32_t ts = (p[4] << 24) | (p[5] << 16) | (p[6] << 8) | p[7]
    cdef int64_t transit, d
    cdef uint16_t ahead
    if port.codec == CODEC_OPUS:
        port.in_clock_ext += <int32_t>(ts - port.in_clock)
        port.in_clock = ts
        ts = <uint32_t>(port.in_clock_ext // 6)
    transit = now // 125000 - ts
    port.packets_in += 1
    port.last_in_ns = now
    port.foreign = port.garbled = 0
    port.in_seq_of_packet = seq
    port.in_ts_of_packet = ts
    if not port.has_in or ssrc != port.in_ssrc:
        port.lost = lost_of(port)
        port.has_in = 1
        port.in_ssrc = ssrc
        port.in_seq = seq
        port.base_seq = seq
        port.max_seq_ext = seq
        port.received = 1
        port.expected_before = port.received_before = 0
        port.transit = transit
        port.digits_seen = port.digit_open = 0
        if port.ear != NULL:
            ear_reset(port.ear, port.codec)
        return
    port.received += 1
    ahead = seq - port.in_seq
    if ahead < 0x8000:
        port.max_seq_ext += ahead
        port.in_seq = seq
    d = transit - port.transit
    port.transit = transit
    port.steady = port.steady + 1 if -STEADY_TICKS < d < STEADY_TICKS else 0
    if -80000 < d < 80000:
        port.jitter += ((d if d >= 0 else -d) - port.jitter) / 16.0


cdef void _digit(Core *core, uint32_t index, uint8_t *p, uint8_t *event, long size, int64_t now) noexcept nogil:
    """Report an RFC 4733 digit once, known by its time stamp: at its first end packet, or when it just stops."""
    cdef Port *port = &core.ports[index]
    cdef Port *listener
    cdef uint32_t ts = port.in_ts_of_packet
    cdef int i
    if size < 4 or event[0] > 15:
        return
    if _told(port, ts):
        if now - port.digit_told_ns < AGAIN_NS:
            port.digit_told_ns = now
            return
        port.digits_seen = 0    # a player that begins its file anew
    if port.digit_open and ts != port.digit_begun_ts:
        close_digit(core, index)
    if not port.digit_open:
        port.digit_open = 1
        port.digit_begun_ts = ts
        port.digit_refused = not _may_press(port, now)
        if not port.consume and port.receive_on and not port.digit_refused:
            for i in range(port.listener_count):
                listener = &core.ports[port.listeners[i]]
                if listener.speaks or listener.events_pt == NO_EVENTS:
                    queue_digit(listener, event[0], DIGIT_MS)
                    soil(core, port.listeners[i])
    port.digit_event = event[0]
    port.digit_duration = <uint16_t>(((event[2] << 8) | event[3]) * 8 // port.events_clock)
    port.digit_at_ns = now
    if event[1] & 0x80:
        close_digit(core, index)


cdef bint _told(Port *port, uint32_t ts) noexcept nogil:
    """Say whether a digit is known by its stamp; SIPp's files begin anywhere, so older is not known."""
    cdef int i
    for i in range(min(port.digits_seen, 4)):
        if port.digits_told[i] == ts:
            return True
    return False


cdef void close_digit(Core *core, uint32_t index) noexcept nogil:
    """Report the digit that is open."""
    cdef Port *port = &core.ports[index]
    port.digit_open = 0
    port.digits_told[port.digits_seen & 3] = port.digit_begun_ts
    port.digits_seen += 1
    port.digit_told_ns = port.digit_at_ns
    if not port.digit_refused:
        notify(core, N_DIGIT, index, port.digit_duration, port.digit_event)


cdef bint _may_press(Port *port, int64_t now) noexcept nogil:
    """Count a digit; False where there are more in a second than anybody can press."""
    if now - port.presses_from_ns > 1000000000:
        port.presses_from_ns = now
        port.presses = 0
    port.presses += 1
    if port.presses > MOST_DIGITS:
        port.digits_refused += 1
        return False
    return True
