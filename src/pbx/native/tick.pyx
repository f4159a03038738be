# cython: language_level=3
"""One instant of the wheel: first every ear of the slot hears its 20 ms, then every mouth speaks and every tape runs.

Ports that are joined share a slot, so that what one peer said is with the other in the same instant.
"""

from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memset

from pbx.native.core cimport (
    D_ENDED, DIGIT_MS, M_BACK, M_NEVER_CAME, M_STOPPED, M_UNDECRYPTABLE, M_WRONG_SOURCE, N_DIGIT, N_DONE, N_MEDIA, NO_EVENTS, WHEEL, Core, Port, Room, notify, soil,
    tap,
)
from pbx.native.dtmf cimport KEYPAD_ENDED, keypad_hear
from pbx.native.ear cimport ear_read, ear_tick
from pbx.native.matrix cimport plan_dirty
from pbx.native.pcm cimport add, subtract
from pbx.native.receive cimport close_digit
from pbx.native.rtcp cimport report
from pbx.native.recorder cimport end_recording, record_frame
from pbx.native.transmit cimport queue_digit, speak, speak_coded
from pbx.native.voice cimport Coded, Mouth, play_frame, shared_frame, tune_in

cdef enum:
    TICK_MS = 20
    SILENCE_NS = 2800000000     # without packets this long: tell (within 3 s, and the scan takes its time)
    DIGIT_NS = 120000000        # an open digit without packets this long is over


cdef void tick(Core *core, int64_t now_ms, int64_t now) noexcept nogil:
    """Work off the slot of *now_ms*."""
    cdef int first = core.wheel[now_ms % WHEEL], index = first
    cdef Port *port
    while index >= 0:
        port = &core.ports[index]
        if port.heard and now_ms - port.ticked_ms >= TICK_MS:
            ear_tick(port.ear, now_ms)
            if port.inband and port.keypad != NULL:
                _find_digit(core, index, now_ms)
        index = port.next_in_slot
    index = first
    while index >= 0:
        port = &core.ports[index]
        if now_ms - port.ticked_ms >= TICK_MS:
            port.ticked_ms = now_ms
            if port.speaks:
                _say(core, index, now_ms, now)
            if port.recording != NULL:
                _record(core, index, now_ms)
        index = port.next_in_slot
    plan_dirty(core)


cdef void _find_digit(Core *core, int index, int64_t now_ms) noexcept nogil:
    """Look for a digit in what the peer says; while it sounds nobody hears it who is told of it otherwise."""
    cdef int16_t frame[320]
    cdef Port *port = &core.ports[index]
    cdef int told, length_ms = 0, i
    ear_read(port.ear, now_ms, 8000, frame)
    told = keypad_hear(port.keypad, frame, &length_ms)
    if told < 0:
        return
    port.tone_on = told < KEYPAD_ENDED
    if told >= KEYPAD_ENDED:
        notify(core, N_DIGIT, index, length_ms * 8, told - KEYPAD_ENDED)
    for i in range(port.listener_count):
        if port.tone_on and not port.consume and port.receive_on and core.ports[port.listeners[i]].events_pt >= 0:
            queue_digit(&core.ports[port.listeners[i]], told, DIGIT_MS)
        soil(core, port.listeners[i])


cdef void _say(Core *core, int index, int64_t now_ms, int64_t now) noexcept nogil:
    """Mix what the port's peer is to hear, and send it."""
    cdef int32_t total[320]
    cdef int16_t frame[320]
    cdef Port *port = &core.ports[index]
    cdef Port *source
    cdef Coded *coded
    cdef int i, rate = port.mouth.rate_hz, count = rate // 50
    if port.mouth.playing != NULL and port.mouth.shared:
        if _alone(port):
            coded = shared_frame(port.mouth, now_ms)
            if coded.size > 0:
                speak_coded(core, port, coded.payload, coded.size, now)
            return
        tune_in(port.mouth, now_ms)
    memset(total, 0, count * sizeof(int32_t))
    for i in range(port.source_count):
        source = &core.ports[port.sources[i]]
        if source.heard and not (source.tone_on and (source.consume or port.events_pt != NO_EVENTS)):
            ear_read(source.ear, now_ms, rate, frame)
            add(total, frame, count)
    if port.room >= 0:
        _add_room(core, port, now_ms, rate, total)
    if port.mouth.playing != NULL and not play_frame(port.mouth, total, count):
        stop_playing(core, index, D_ENDED)
    speak(core, port, total, now)
    if not port.mouth.digit_count and port.mouth.digit_ms < 0 and port.mouth.playing == NULL:
        if port.source_count <= 1 and port.room < 0:
            soil(core, index)


cdef bint _alone(Port *port) noexcept nogil:
    """Say whether the shared stream is all that the port's peer is to hear now, frame by frame."""
    cdef Mouth *mouth = port.mouth
    return (not port.source_count and port.room < 0 and port.ptime_ms == TICK_MS and not mouth.digit_count
            and mouth.digit_ms < 0 and mouth.pause_ms <= 0 and not mouth.filled
            and mouth.playing.rate_hz == mouth.rate_hz)


cdef void _add_room(Core *core, Port *port, int64_t now_ms, int rate, int32_t *total) noexcept nogil:
    """Add everybody in the room but the port's own peer."""
    cdef Room *room = &core.rooms[port.room]
    cdef int16_t frame[320]
    cdef int32_t *everybody
    cdef int i, count = rate // 50
    if room.summed_ms != now_ms:
        _sum(core, room, now_ms)
    everybody = room.narrow_sum
    if rate == 16000:
        everybody = room.wide_sum
    for i in range(count):
        total[i] += everybody[i]
    if port.heard and not port.muted and not port.tone_on:
        ear_read(port.ear, now_ms, rate, frame)
        subtract(total, frame, count)


cdef void _sum(Core *core, Room *room, int64_t now_ms) noexcept nogil:
    cdef int16_t frame[320]
    cdef Port *member
    cdef int i
    room.summed_ms = now_ms
    memset(room.narrow_sum, 0, sizeof(room.narrow_sum))
    memset(room.wide_sum, 0, sizeof(room.wide_sum))
    for i in range(room.count):
        member = &core.ports[room.members[i]]
        if not member.heard or member.muted or member.tone_on:
            continue
        if room.narrow:
            ear_read(member.ear, now_ms, 8000, frame)
            add(room.narrow_sum, frame, 160)
        if room.wide:
            ear_read(member.ear, now_ms, 16000, frame)
            add(room.wide_sum, frame, 320)


cdef void _record(Core *core, int index, int64_t now_ms) noexcept nogil:
    cdef int16_t left[320]
    cdef int16_t right[320]
    cdef Port *port = &core.ports[index]
    cdef Port *other
    cdef int rate = port.recording.rate_hz, count = rate // 50
    memset(left, 0, sizeof(left))
    memset(right, 0, sizeof(right))
    if port.heard:
        ear_read(port.ear, now_ms, rate, left)
    if port.recorded_other >= 0:
        other = &core.ports[port.recorded_other]
        if other.heard and other.open and other.generation == port.recorded_generation:
            ear_read(other.ear, now_ms, rate, right)
    if not record_frame(port.recording, now_ms, left, right, count):
        stop_recording(core, index, D_ENDED)


cdef void stop_playing(Core *core, int index, int outcome) noexcept nogil:
    """End what plays, and give its sounds back."""
    cdef Port *port = &core.ports[index]
    if port.mouth != NULL and port.mouth.playing != NULL:
        port.mouth.playing = NULL
        notify(core, N_DONE, index, port.mouth.token, outcome)
        soil(core, index)


cdef void stop_recording(Core *core, int index, int outcome) noexcept nogil:
    """End the recording; the writer tells when it is whole. One that ended by itself keeps its own outcome."""
    cdef Port *port = &core.ports[index]
    cdef Port *other
    if port.recording == NULL:
        return
    tap(core, index, port.recording.rate_hz, -1)
    if port.recorded_other >= 0:
        other = &core.ports[port.recorded_other]
        if other.open and other.generation == port.recorded_generation:
            tap(core, port.recorded_other, port.recording.rate_hz, -1)
    port.recorded_other = -1
    end_recording(port.recording, outcome)
    port.recording = NULL


cdef void scan(Core *core, int first, int end, int64_t now) noexcept nogil:
    """Tell of ports that hear nothing although they should, and end digits whose end was lost."""
    cdef int i, state
    cdef Port *port
    for i in range(first, end):
        port = &core.ports[i]
        if not port.open:
            continue
        if port.digit_open and now - port.digit_at_ns > DIGIT_NS:
            close_digit(core, i)
        report(core, i, now)
        if not port.has_remote or not port.receive_on or port.media_state != M_BACK:
            continue
        if now - max(port.last_in_ns, port.state_from_ns) < SILENCE_NS:
            continue
        if port.garbled:
            state = M_UNDECRYPTABLE
        else:
            state = M_WRONG_SOURCE if port.foreign else (M_STOPPED if port.packets_in else M_NEVER_CAME)
        port.media_state = state
        notify(core, N_MEDIA, i, 0, state)
