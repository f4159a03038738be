# cython: language_level=3
"""When each leg's socket is read.

A phone sends every 20 ms: once its packets have come regularly for a while, its port gets a second socket, connected to
the phone alone, and is read at one moment of every turn, without epoll. A moment at which nothing has come yet moves
1 ms later; one that was right for a while asks the kernel for how long its packets waited, and moves that much earlier.
Whoever is not that regular stays with epoll, edge by edge. The first socket goes on to hear strangers, and a phone whose
address changed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pbx.native.core cimport PACKET_BYTES, PIN_PACKETS, WHEEL, Core, Port
from pbx.native.receive cimport packet
from pbx.native.rtcp cimport control
from pbx.native.udp cimport (
    close, pbx_address, pbx_address_equal, pbx_connected, pbx_receive, pbx_receive_fast, pbx_unwatch, pbx_waited_ms,
    pbx_watch,
)

cdef enum:
    STEADY = 25                 # packets in a row on time: a regular peer
    HOLD_FIRST = 2              # turns until an earlier moment is looked for: one late packet is soon forgotten
    HOLD_SHORT = 8
    HOLD_SURE = 16              # where it was right the last time
    HOLD_LONG = 32              # where to look for an earlier one led to a miss
    LATEST_MS = 8               # without the packet that is due: no longer regular
    MOST_READ = 256             # at once: a flood must not hold up the others for good


cdef void settle(Core *core, uint32_t index) noexcept nogil:
    """Read a port whose peer has become regular at moments of its own, the first of them in a turn from now."""
    cdef Port *port = &core.ports[index]
    port.steady = 0
    if port.fast_fd < 0:
        port.fast_fd = pbx_connected(port.rtp_fd, &port.remote)
        if port.fast_fd < 0:
            return
        port.unverified = 1
    else:
        pbx_unwatch(core.epoll, port.fast_fd)
    port.read_again = port.read_hits = 0
    port.read_hold = HOLD_FIRST
    _put(core, index, <int>(core.tick_ms % WHEEL))


cdef void unsettle(Core *core, uint32_t index) noexcept nogil:
    """Forget the peer: the first socket alone is read, as epoll tells."""
    cdef Port *port = &core.ports[index]
    _take(core, index)
    port.steady = 0
    if port.fast_fd >= 0:
        close(port.fast_fd)
        port.fast_fd = -1


cdef void let_go(Core *core, uint32_t index, int64_t now) noexcept nogil:
    """Read what waits in the socket that is about to be closed, and unsettle."""
    if core.ports[index].fast_fd >= 0:
        _read(core, index, True, now)
    unsettle(core, index)


cdef void _put(Core *core, int index, int slot) noexcept nogil:
    cdef Port *port = &core.ports[index]
    _take(core, index)
    port.read_slot = slot
    port.previous_to_read = -1
    port.next_to_read = core.moments[slot]
    if port.next_to_read >= 0:
        core.ports[port.next_to_read].previous_to_read = index
    core.moments[slot] = index
    core.on_moments += 1


cdef void _take(Core *core, int index) noexcept nogil:
    cdef Port *port = &core.ports[index]
    if port.read_slot < 0:
        return
    if port.previous_to_read >= 0:
        core.ports[port.previous_to_read].next_to_read = port.next_to_read
    else:
        core.moments[port.read_slot] = port.next_to_read
    if port.next_to_read >= 0:
        core.ports[port.next_to_read].previous_to_read = port.previous_to_read
    port.read_slot = -1
    core.on_moments -= 1


cdef void moment(Core *core, int64_t now_ms, int64_t now) noexcept nogil:
    """Read the ports whose moment *now_ms* is."""
    cdef int slot = <int>(now_ms % WHEEL), index = core.moments[slot], following
    cdef bint drain = now_ms < core.drain_until_ms
    while index >= 0:
        following = core.ports[index].next_to_read
        if _read(core, index, drain, now):
            _on_time(core, index, slot)
        elif core.ports[index].read_slot == slot:
            _too_early(core, index, slot)
        # What was read may have closed or moved this port, but no other.
        index = following


cdef bint _read(Core *core, int index, bint drain, int64_t now) noexcept nogil:
    """Read the packet that is due, and more where there may be more; False when none had come."""
    cdef Port *port = &core.ports[index]
    cdef uint8_t *p = core.packet
    cdef pbx_address source
    cdef long size
    cdef int turns = 0
    drain = drain or port.read_again > 0 or port.unverified
    while turns < MOST_READ:
        if port.unverified:
            size = pbx_receive(port.fast_fd, p, PACKET_BYTES, &source)
            if size >= 0 and not pbx_address_equal(&source, &port.remote):
                port.wrong_source += 1
                continue
        else:
            size = pbx_receive_fast(port.fast_fd, p, PACKET_BYTES)
        if size < 0:
            port.unverified = 0
            return turns > 0
        turns += 1
        if size > PACKET_BYTES:
            port.truncated += 1
            continue
        # A key press ends with three packets at once; a marked packet begins something.
        if (p[1] & 0x7F) != port.audio_pt or p[1] & 0x80:
            drain = True
        packet(core, index, size, NULL, now)
        if not drain or port.fast_fd < 0:
            return True
    return True


cdef void _on_time(Core *core, int index, int slot) noexcept nogil:
    """Move to where packets come; the shorter wait of two in a row counts, for this thread may have been late."""
    cdef Port *port = &core.ports[index]
    cdef int waited
    if port.read_slot != slot:
        return
    if port.read_again:             # this moment is right, the one before was not
        if port.read_hits < 4:
            port.read_hold = min(2 * port.read_hold, HOLD_LONG)
        else:
            port.read_hold = HOLD_FIRST
        port.read_hits = port.read_again = 0
        return
    port.read_hits += 1
    if port.read_hits < port.read_hold - 1:
        return
    waited = pbx_waited_ms(port.fast_fd)
    if port.read_hits < port.read_hold:
        port.read_waited = waited
        return
    port.read_hits = 0
    waited = min(waited, port.read_waited) if waited >= 0 and port.read_waited >= 0 else 1      # unknown: try
    if waited >= WHEEL:
        port.unverified = 1         # one more waits behind each that is read: empty the socket
    port.read_hold = HOLD_SHORT if waited else HOLD_SURE
    if waited % WHEEL:
        _put(core, index, (slot + WHEEL - waited % WHEEL) % WHEEL)


cdef void _too_early(Core *core, int index, int slot) noexcept nogil:
    """Look again a millisecond later; after a few of them leave the port to epoll."""
    cdef Port *port = &core.ports[index]
    cdef int later = <int>((core.batch_ms + 1 - slot) % WHEEL)
    port.read_again += later
    if port.read_again <= LATEST_MS:
        _put(core, index, (slot + later) % WHEEL)
        return
    _take(core, index)
    port.steady = 0
    pbx_watch(core.epoll, port.fast_fd, <uint64_t>index << 2 | W_PEER)


cdef void readable(Core *core, uint32_t index, int which, int64_t now) noexcept nogil:
    """Read a socket that epoll told of until it is empty; notice a peer that moved or that became regular."""
    cdef Port *port = &core.ports[index]
    cdef pbx_address source
    cdef long size
    cdef int turns = 0, fd = port.rtp_fd
    if not port.open:
        return
    if which == W_RTCP:
        fd = port.rtcp_fd
    while turns < MOST_READ:
        if which == W_PEER:
            fd = port.fast_fd
            if fd < 0 or port.read_slot >= 0:
                return
        size = pbx_receive(fd, core.packet, PACKET_BYTES, &source)
        if size < 0:
            return
        turns += 1
        core.received += 1
        if size > PACKET_BYTES:
            port.truncated += 1
        elif which == W_RTCP:
            control(core, index, size, &source, now)
        else:
            packet(core, index, size, &source, now)
            if port.moved:
                port.moved = 0
                unsettle(core, index)
            elif (port.steady >= STEADY and port.in_ms == WHEEL and port.pinned >= PIN_PACKETS
                    and core.settled < 0):
                core.settled += 1
                settle(core, index)
