# cython: language_level=3
"""Ports that move from one media thread to another, when a transfer or a conference joins calls of two threads.

A port parts with everybody whom it hears and becomes a parcel, whose address goes to Python and from there to the other
thread. Sound, keys, player and recording go along; packets wait in the socket meanwhile. Who hears whom is told anew
after the arrival, by Python, which knows it.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from pbx.native.core cimport N_PARTED, Core, Port, notify, tap, wheel_take
from pbx.native.ear cimport ear_free
from pbx.native.matrix cimport plan, unlink
from pbx.native.sockets cimport attach, detach
from pbx.native.voice cimport mouth_free, tune_in


cdef void part(Core *core, int index) noexcept nogil:
    """Take a port out of this thread and tell where it lies; without memory it stays, and 0 is told."""
    cdef Port *port = &core.ports[index]
    cdef Port *parcel
    detach(core, index)
    parcel = <Port *>malloc(sizeof(Port))
    if parcel == NULL:
        attach(core, index)
        notify(core, N_PARTED, index, 0, 0)
        return
    _untape(core, index)
    unlink(core, index)
    if port.mouth != NULL and port.mouth.playing != NULL and port.mouth.shared:
        tune_in(port.mouth, core.tick_ms)       # the stream is of this thread: from here on alone
        port.mouth.shared = 0
    wheel_take(core, index)
    parcel[0] = port[0]
    parcel.taps = parcel.wide_taps = 0
    if port.recording != NULL:
        parcel.taps = 1
        parcel.wide_taps = port.recording.rate_hz == 16000
    parcel.dirty = parcel.heard = parcel.speaks = parcel.relaying = parcel.mapped = 0
    port.ear, port.mouth, port.keypad, port.recording = NULL, NULL, NULL, NULL
    port.keys_in = port.keys_out = NULL
    port.open = 0
    notify(core, N_PARTED, index, 0, <int64_t><size_t>parcel)


cdef void arrive(Core *core, int index, Port *parcel) noexcept nogil:
    """Take a port in, in the place of the closed one whose number it gets."""
    cdef Port *port = &core.ports[index]
    cdef int dirty = port.dirty
    ear_free(port.ear)
    mouth_free(port.mouth)
    free(port.keypad)
    port[0] = parcel[0]
    port.dirty = dirty          # the list of those to be planned may hold the one before
    free(parcel)
    core.high = max(core.high, index + 1)
    attach(core, index)
    plan(core, index)


cdef void tape_beside(Core *core, int index, int other) noexcept nogil:
    """Put *other*'s peer on the right-hand channel of what *index* records."""
    cdef Port *port = &core.ports[index]
    _untape(core, index)
    if port.recording == NULL:
        return
    port.recorded_other = other
    port.recorded_generation = core.ports[other].generation
    tap(core, other, port.recording.rate_hz, 1)


cdef void _untape(Core *core, int index) noexcept nogil:
    cdef Port *port = &core.ports[index]
    cdef Port *other
    if port.recorded_other >= 0:
        other = &core.ports[port.recorded_other]
        if other.open and other.generation == port.recorded_generation:
            tap(core, port.recorded_other, port.recording.rate_hz, -1)
    port.recorded_other = -1
