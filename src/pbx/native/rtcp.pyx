# cython: language_level=3
"""RTCP (RFC 3550 6): reports every few seconds, what the peer's say, round trip.

Nothing that comes in here ends or changes a call: a BYE is counted, and signalling says when a call is over.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pbx.native.core cimport PACKET_BYTES, Core, Port, lost_of
from pbx.native.ear cimport clock_of
from pbx.native.sockets cimport send_rtcp
from pbx.native.srtp cimport SRTP_OK, TRAILER_BYTES, protect_rtcp, unprotect_rtcp
from pbx.native.udp cimport pbx_address, pbx_address_same_host, pbx_ntp

cdef enum:
    SR = 200, RR = 201, SDES = 202, BYE = 203
    HEAD = 8                    # header and the sender's SSRC
    SENDER_INFO = 20
    BLOCK = 24
    MEAN_NS = 5000000000        # between reports


cdef inline uint32_t _word(const uint8_t *p) noexcept nogil:
    return (<uint32_t>p[0] << 24) | (p[1] << 16) | (p[2] << 8) | p[3]


cdef inline void _put(uint8_t *p, uint32_t value) noexcept nogil:
    p[0], p[1], p[2], p[3] = value >> 24, (value >> 16) & 0xFF, (value >> 8) & 0xFF, value & 0xFF


cdef void control(Core *core, uint32_t index, long size, pbx_address *source, int64_t now) noexcept nogil:
    """Work off the compound packet in ``core.packet``; *source* is NULL where a connected socket heard the peer."""
    cdef Port *port = &core.ports[index]
    cdef uint8_t *p = core.packet
    cdef int left = <int>size, at = 0, length
    if size < HEAD or p[0] >> 6 != 2 or (p[1] != SR and p[1] != RR and p[1] != BYE):
        port.control_invalid += 1
        return
    if port.keys_in != NULL:
        if unprotect_rtcp(port.keys_in, p, &left) != SRTP_OK:
            port.undecryptable += 1
            return
    elif source != NULL and not pbx_address_same_host(source, &port.remote):
        port.control_invalid += 1
        return
    if port.has_in and _word(p + 4) != port.in_ssrc:
        port.control_invalid += 1
        return
    if source != NULL and not port.control_mux:
        port.control_to = source[0]     # symmetric, as RTP is
        port.control_learned = 1
    while at + HEAD <= left:
        length = 4 * (((p[at + 2] << 8) | p[at + 3]) + 1)
        if p[at] >> 6 != 2 or at + length > left:
            port.control_invalid += 1
            return
        _one(port, p + at, length, now)
        at += length
    port.control_in += 1


cdef void _one(Port *port, const uint8_t *p, int length, int64_t now) noexcept nogil:
    """Take in one packet of a compound."""
    cdef int blocks = p[0] & 0x1F, at = HEAD, i
    if p[1] == BYE:
        port.byes += 1
        return
    if p[1] == SR:
        if length < HEAD + SENDER_INFO:
            return
        port.sr_middle = (_word(p + 8) << 16) | (_word(p + 12) >> 16)
        port.sr_at_ns = now
        at += SENDER_INFO
    elif p[1] != RR:
        return
    for i in range(blocks):
        if at + BLOCK > length:
            return
        if _word(p + at) == port.out_ssrc:
            _block(port, p + at)
        at += BLOCK


cdef void _block(Port *port, const uint8_t *p) noexcept nogil:
    """Learn what the peer has of our stream, and how long the way there and back is (RFC 3550 6.4.1)."""
    cdef uint32_t lost = (p[5] << 16) | (p[6] << 8) | p[7], last = _word(p + 16), delay = _word(p + 20)
    cdef int64_t trip
    port.peer_reports += 1
    port.peer_lost = <int32_t>(lost << 8) >> 8
    port.peer_jitter = _word(p + 12)
    if last == 0:
        return
    trip = <int32_t>(<uint32_t>(pbx_ntp() >> 16) - last - delay)
    if 0 <= trip < 65536 * 10:
        port.round_trip_ns = trip * 1000000000 // 65536
        port.trips += 1


cdef int _write_report(Port *port, uint8_t *out, int64_t now) noexcept nogil:
    """Write SR, or RR where nothing was sent since the last report, and the SDES that every compound has."""
    cdef int at = HEAD, size
    cdef uint64_t ntp = pbx_ntp()
    cdef bint sender = port.packets_out != port.control_packets_out
    if sender:
        _put(out + 8, <uint32_t>(ntp >> 32))
        _put(out + 12, <uint32_t>ntp)
        _put(out + 16, port.out_ts + <uint32_t>((now - port.out_ns) * clock_of(port.codec) // 1000000))
        _put(out + 20, <uint32_t>port.packets_out)
        _put(out + 24, <uint32_t>port.octets_out)
        at += SENDER_INFO
        port.control_packets_out = port.packets_out
    if port.has_in:
        _write_block(port, out + at, now)
        at += BLOCK
    out[0] = 0x80 | (1 if port.has_in else 0)
    out[1] = SR if sender else RR
    out[2], out[3] = 0, at // 4 - 1
    _put(out + 4, port.out_ssrc)
    # CNAME: random, the same for the call (RFC 7022), and no address of ours.
    size = 8 + 2 + 8 + 2
    out[at], out[at + 1], out[at + 2], out[at + 3] = 0x81, SDES, 0, size // 4 - 1
    _put(out + at + 4, port.out_ssrc)
    out[at + 8], out[at + 9] = 1, 8
    _hex(out + at + 10, port.out_ssrc ^ 0x5A17C3E9)
    out[at + 18] = out[at + 19] = 0
    return at + size


cdef void _hex(uint8_t *out, uint32_t value) noexcept nogil:
    cdef int i, digit
    for i in range(8):
        digit = (value >> (28 - 4 * i)) & 15
        out[i] = 48 + digit if digit < 10 else 87 + digit


cdef void _write_block(Port *port, uint8_t *out, int64_t now) noexcept nogil:
    cdef int64_t expected = <int64_t>(port.max_seq_ext - port.base_seq) + 1, lost = lost_of(port)
    cdef int64_t expected_now = expected - port.expected_before, lost_now = expected_now
    lost_now -= port.received - port.received_before
    port.expected_before, port.received_before = expected, port.received
    lost = max(<int64_t>-0x800000, min(lost, <int64_t>0x7FFFFF))
    _put(out, port.in_ssrc)
    _put(out + 4, <uint32_t>lost & 0xFFFFFF)
    out[4] = <uint8_t>min(<int64_t>255, lost_now * 256 // expected_now) if lost_now > 0 and expected_now > 0 else 0
    _put(out + 8, port.max_seq_ext)
    _put(out + 12, <uint32_t>(port.jitter * clock_of(port.codec) / 8))
    _put(out + 16, port.sr_middle if port.sr_at_ns else 0)
    _put(out + 20, <uint32_t>((now - port.sr_at_ns) * 65536 // 1000000000) if port.sr_at_ns else 0)


cdef void _send(Core *core, Port *port, int size) noexcept nogil:
    cdef int left = size
    if port.keys_out != NULL and protect_rtcp(port.keys_out, core.copy, &left) != SRTP_OK:
        return
    if send_rtcp(core, port, core.copy, left):
        port.control_out += 1


cdef void report(Core *core, uint32_t index, int64_t now) noexcept nogil:
    """Send a report when one is due: every 2.5 to 7.5 s at random, lest reports of many calls fall in step."""
    cdef Port *port = &core.ports[index]
    if not port.has_remote or not port.has_control:
        return
    if port.control_next_ns:
        if now < port.control_next_ns:
            return
        if port.packets_in or port.packets_out:
            _send(core, port, _write_report(port, core.copy, now))
    port.control_chance = port.control_chance * 1103515245 + 12345 + port.out_ssrc
    if port.control_out:
        port.control_next_ns = now + MEAN_NS // 2 + MEAN_NS * (port.control_chance >> 16) // 65536
    else:                       # the first soon: 0.5 to 1.5 s
        port.control_next_ns = now + (MEAN_NS // 2 + MEAN_NS * (port.control_chance >> 16) // 65536) // 5


cdef void farewell(Core *core, uint32_t index, int64_t now) noexcept nogil:
    """Send the last report with BYE, where anything was ever sent or received."""
    cdef Port *port = &core.ports[index]
    cdef int size
    if not port.has_remote or not port.has_control or not (port.packets_in or port.packets_out):
        return
    size = _write_report(port, core.copy, now)
    core.copy[size], core.copy[size + 1], core.copy[size + 2], core.copy[size + 3] = 0x81, BYE, 0, 1
    _put(core.copy + size + 4, port.out_ssrc)
    _send(core, port, size + 8)
