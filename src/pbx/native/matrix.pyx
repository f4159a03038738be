# cython: language_level=3
"""Who hears whom, and what that asks of every port.

A port whose only source speaks the same codec is *relaying*: packets go out as they come, undecoded and undelayed. Any
other port that has something to say *speaks*: it makes its packets on the wheel. A port is *heard* when somebody wants
its peer's words as sound: a port that speaks, a room, a recording. `plan` derives all three and the place on the wheel.
"""



from pbx.native.core cimport (
    MAX_LISTENERS, MAX_MEMBERS, NO_EVENTS, WHEEL, Core, Port, Room, ear_of, mouth_of, wheel_put, wheel_take,
)
from pbx.native.ear cimport CODEC_OTHER, CODEC_PCMA, CODEC_PCMU, rate_of

cdef enum:
    MARGIN_MS = 3               # after the peer's packets usually come


cdef bint _alike(Port *source, Port *port) noexcept nogil:
    """Whether *source*'s packets can go to *port*'s peer as they are, at most the other law of G.711."""
    if source.codec == CODEC_OTHER or port.codec == CODEC_OTHER:
        return source.codec == port.codec
    if source.in_ms and source.in_ms != port.ptime_ms:
        return False
    if source.codec == port.codec:
        return True
    return (source.codec == CODEC_PCMA or source.codec == CODEC_PCMU) and (
        port.codec == CODEC_PCMA or port.codec == CODEC_PCMU)


cdef void _plan_speech(Core *core, int index) noexcept nogil:
    cdef Port *port = &core.ports[index]
    cdef bint speaks = port.room >= 0 or port.source_count > 1
    if port.source_count == 1 and not _alike(&core.ports[port.sources[0]], port):
        speaks = True
    if port.source_count == 1 and core.ports[port.sources[0]].tone_on and (
            core.ports[port.sources[0]].consume or port.events_pt != NO_EVENTS):
        speaks = True       # a digit sounds that this port's peer is not to hear
    if port.mouth != NULL and (port.mouth.playing != NULL or port.mouth.digit_count or port.mouth.digit_ms >= 0):
        speaks = True
    if speaks and (port.codec == CODEC_OTHER or not port.has_remote or mouth_of(port) == NULL):
        speaks = False
    if speaks and not port.speaks:
        port.mouth.fresh = 2
    port.speaks = speaks
    port.relaying = port.source_count == 1 and not speaks
    if not port.relaying:
        port.mapped = 0


cdef void _plan_place(Core *core, int index) noexcept nogil:
    """Find out whether the port is heard, and put it on the wheel beside those it has to do with."""
    cdef Port *port = &core.ports[index]
    cdef Port *listener
    cdef int i, heard = port.taps > 0 or port.inband and port.has_in or port.room >= 0
    cdef int rate = rate_of(port.codec), both = 0
    for i in range(port.listener_count):
        listener = &core.ports[port.listeners[i]]
        if listener.speaks:
            heard = 1
            both |= rate_of(listener.codec) != rate
    if rate == 8000:
        both |= port.wide_taps > 0
    else:
        both |= port.taps > port.wide_taps
        both |= port.inband
    if port.room >= 0:
        both |= core.rooms[port.room].wide and core.rooms[port.room].narrow
    heard = heard and port.codec != CODEC_OTHER
    if heard and ear_of(port) == NULL:
        heard = 0
    if heard:
        port.ear.both_rates = both
    port.heard = heard
    if port.heard or port.speaks or port.recording != NULL:
        wheel_put(core, index, _slot(core, index))
    else:
        wheel_take(core, index)


cdef int _slot(Core *core, int index) noexcept nogil:
    """Choose the instant of a turn: the room's, a source's, a listener's, or just after the own packets come."""
    cdef Port *port = &core.ports[index]
    cdef int i, slot
    if port.room >= 0:
        return core.rooms[port.room].slot
    for i in range(port.source_count):
        slot = core.ports[port.sources[i]].slot
        if slot >= 0 and port.sources[i] != index:
            return slot
    if port.slot >= 0:
        return port.slot
    for i in range(port.listener_count):
        slot = core.ports[port.listeners[i]].slot
        if slot >= 0:
            return slot
    if port.has_in:
        return <int>(((port.last_in_ns - core.begun_ns) // 1000000 + MARGIN_MS) % WHEEL)
    return index * 7 % WHEEL


cdef void plan(Core *core, int index) noexcept nogil:
    """Derive everything anew for a port and those it is joined with."""
    cdef Port *port = &core.ports[index]
    cdef int i
    _plan_speech(core, index)
    for i in range(port.listener_count):
        _plan_speech(core, port.listeners[i])
    _plan_place(core, index)
    for i in range(port.source_count):
        _plan_place(core, port.sources[i])
    for i in range(port.listener_count):
        _plan_place(core, port.listeners[i])


cdef void plan_dirty(Core *core) noexcept nogil:
    cdef int i
    for i in range(core.dirty_count):
        core.ports[core.dirty[i]].dirty = 0
        if core.ports[core.dirty[i]].open:
            plan(core, core.dirty[i])
    core.dirty_count = 0


cdef int _drop(int *edges, int *count, int value) noexcept nogil:
    cdef int i
    for i in range(count[0]):
        if edges[i] == value:
            count[0] -= 1
            edges[i] = edges[count[0]]
            return 1
    return 0


cdef void hear(Core *core, int index, int other) noexcept nogil:
    """Add an edge; one that exists stays one."""
    cdef Port *port = &core.ports[index]
    cdef Port *source = &core.ports[other]
    cdef int i
    for i in range(port.source_count):
        if port.sources[i] == other:
            return
    if port.source_count == MAX_LISTENERS or source.listener_count == MAX_LISTENERS:
        return
    port.sources[port.source_count] = other
    port.source_count += 1
    source.listeners[source.listener_count] = index
    source.listener_count += 1
    port.mapped = 0
    plan(core, index)


cdef void unhear(Core *core, int index, int other) noexcept nogil:
    cdef Port *port = &core.ports[index]
    cdef Port *source = &core.ports[other]
    if _drop(port.sources, &port.source_count, other):
        _drop(source.listeners, &source.listener_count, index)
        port.mapped = 0
        plan(core, index)
        plan(core, other)


cdef void deaf(Core *core, int index) noexcept nogil:
    cdef Port *port = &core.ports[index]
    while port.source_count:
        unhear(core, index, port.sources[port.source_count - 1])


cdef void unlink(Core *core, int index) noexcept nogil:
    """Take a port out of everything, before it is closed."""
    cdef Port *port = &core.ports[index]
    leave(core, index)
    deaf(core, index)
    while port.listener_count:
        unhear(core, port.listeners[port.listener_count - 1], index)


cdef void join(Core *core, int index, int room, bint muted) noexcept nogil:
    """Put a port into a room, or mute it there."""
    cdef Port *port = &core.ports[index]
    cdef Room *r = &core.rooms[room]
    cdef int i
    if port.room >= 0 and port.room != room:
        leave(core, index)
    if port.room < 0:
        if r.count == MAX_MEMBERS:
            return
        r.members[r.count] = index
        r.count += 1
        port.room = room
    port.muted = muted
    _plan_room(core, room)


cdef void leave(Core *core, int index) noexcept nogil:
    cdef Port *port = &core.ports[index]
    cdef int room = port.room
    if room < 0:
        return
    port.room = -1
    port.muted = 0
    _drop(core.rooms[room].members, &core.rooms[room].count, index)
    plan(core, index)
    _plan_room(core, room)


cdef void _plan_room(Core *core, int room) noexcept nogil:
    cdef Room *r = &core.rooms[room]
    cdef int i, wide = 0
    for i in range(r.count):
        wide += rate_of(core.ports[r.members[i]].codec) == 16000
    r.wide, r.narrow = wide > 0, wide < r.count
    for i in range(r.count):
        plan(core, r.members[i])
