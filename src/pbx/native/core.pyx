# cython: language_level=3
"""What every part of the engine needs: notices, the wheel, the parts of a port that are made when first wanted."""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc

from pbx.native.dtmf cimport Keypad, keypad_reset
from pbx.native.ear cimport Ear, ear_reset
from pbx.native.ring cimport Notice, put_notice
from pbx.native.udp cimport pbx_now_ns, pbx_signal
from pbx.native.voice cimport Mouth, mouth_reset


cdef void notify(Core *core, int kind, uint32_t index, uint32_t token, int64_t value) noexcept nogil:
    """Tell Python."""
    cdef Notice notice
    notice.kind, notice.flags, notice.port, notice.generation = kind, 0, index, core.ports[index].generation
    notice.token, notice.value, notice.at_ns = token, value, pbx_now_ns()
    put_notice(&core.notices, &notice)
    pbx_signal(core.event_fd)


cdef void wheel_put(Core *core, int index, int slot) noexcept nogil:
    """Work a port off at *slot* of every turn."""
    cdef Port *port = &core.ports[index]
    if port.slot == slot:
        return
    wheel_take(core, index)
    port.slot = slot
    port.previous_in_slot = -1
    port.next_in_slot = core.wheel[slot]
    if port.next_in_slot >= 0:
        core.ports[port.next_in_slot].previous_in_slot = index
    core.wheel[slot] = index
    core.on_wheel += 1


cdef void wheel_take(Core *core, int index) noexcept nogil:
    cdef Port *port = &core.ports[index]
    if port.slot < 0:
        return
    if port.previous_in_slot >= 0:
        core.ports[port.previous_in_slot].next_in_slot = port.next_in_slot
    else:
        core.wheel[port.slot] = port.next_in_slot
    if port.next_in_slot >= 0:
        core.ports[port.next_in_slot].previous_in_slot = port.previous_in_slot
    port.slot = -1
    core.on_wheel -= 1


cdef Ear *ear_of(Port *port) noexcept nogil:
    """Return the port's ear, made when first wanted; NULL without memory."""
    if port.ear == NULL:
        port.ear = <Ear *>calloc(1, sizeof(Ear))
        if port.ear != NULL:
            port.ear.written_ms = -1000000
            ear_reset(port.ear, port.codec)
    elif port.ear.codec != port.codec:
        ear_reset(port.ear, port.codec)
    return port.ear


cdef Keypad *keypad_of(Port *port) noexcept nogil:
    """Return the port's detector of digits, made when first wanted; NULL without memory."""
    if port.keypad == NULL:
        port.keypad = <Keypad *>calloc(1, sizeof(Keypad))
        if port.keypad != NULL:
            keypad_reset(port.keypad)
    return port.keypad


cdef Mouth *mouth_of(Port *port) noexcept nogil:
    """Return the port's mouth, made when first wanted; NULL without memory."""
    if port.mouth == NULL:
        port.mouth = <Mouth *>calloc(1, sizeof(Mouth))
        if port.mouth != NULL:
            mouth_reset(port.mouth, port.codec)
    elif port.mouth.codec != port.codec:
        mouth_reset(port.mouth, port.codec)
    return port.mouth


cdef void soil(Core *core, int index) noexcept nogil:
    """Have a port planned anew once the running tick is over."""
    if not core.ports[index].dirty:
        core.ports[index].dirty = 1
        core.dirty[core.dirty_count] = index
        core.dirty_count += 1


cdef void tap(Core *core, int index, int rate_hz, int by) noexcept nogil:
    """Count one recording more, or one less, that wants what the port's peer says."""
    core.ports[index].taps += by
    if rate_hz == 16000:
        core.ports[index].wide_taps += by
    soil(core, index)


cdef int64_t lost_of(Port *port) noexcept nogil:
    """Packets expected and not received (RFC 3550 A.3), over all streams of the port."""
    if not port.has_in:
        return port.lost
    return port.lost + <int64_t>(port.max_seq_ext - port.base_seq) + 1 - port.received
