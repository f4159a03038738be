# cython: language_level=3
"""Commands from Python, worked off on the media thread.

A command names a port by index and generation: one that comes too late finds another generation, and gives back only
what it owns.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from pbx.native.core cimport (
    D_STOPPED, N_DONE, N_RELEASED, WHEEL, Core, Port, keypad_of, mouth_of, notify, soil, tap, wheel_take,
)
from pbx.native.dtmf cimport Keypad, keypad_reset
from pbx.native.ear cimport CODEC_OPUS, Ear
from pbx.native.matrix cimport deaf, hear, join, leave, plan, plan_dirty, unhear, unlink
from pbx.native.moments cimport unsettle
from pbx.native.moving cimport arrive, part, tape_beside
from pbx.native.recorder cimport Recording, end_recording
from pbx.native.ring cimport Command, take_command
from pbx.native.rtcp cimport farewell
from pbx.native.sockets cimport attach, shut
from pbx.native.srtp cimport forget
from pbx.native.tick cimport stop_playing, stop_recording
from pbx.native.transmit cimport queue_digit
from pbx.native.udp cimport pbx_address, pbx_address_equal, pbx_address_set, pbx_now_ns
from pbx.native.voice cimport Mouth, Playlist


cdef void obey(Core *core) noexcept nogil:
    """Work off what waits."""
    cdef Command command
    while take_command(&core.commands, &command):
        _command(core, &command)
    plan_dirty(core)


cdef void _command(Core *core, Command *c) noexcept nogil:
    cdef Port *port
    if c.op == C_STOP:
        core.running = 0
        return
    if c.op == C_ROOM:
        core.rooms[c.args[0]].slot = <int>(c.args[0] * 7 % WHEEL)
        core.rooms[c.args[0]].summed_ms = -1
        return
    if c.port >= <uint32_t>core.capacity:
        return
    port = &core.ports[c.port]
    if c.op == C_OPEN:
        _open(core, port, c)
    elif c.op == C_ARRIVE:
        arrive(core, <int>c.port, <Port *><size_t>c.args[0])
    elif port.open and port.generation == c.generation:
        _port_command(core, <int>c.port, port, c)
    elif c.op == C_KEYS:
        forget(<void *><size_t>c.args[1])
    elif c.op == C_RECORD:
        end_recording(<Recording *><size_t>c.args[0], D_STOPPED)


cdef void _port_command(Core *core, int index, Port *port, Command *c) noexcept nogil:
    cdef int op = c.op
    if op == C_CLOSE:
        close_port(core, index)
        notify(core, N_RELEASED, index, c.token, 0)
    elif op == C_PART:
        part(core, index)
    elif op == C_REMOTE:
        _set_remote(core, index, port, c)
    elif op == C_HEAR or op == C_UNHEAR:
        if _alive(core, c.args[0], c.args[1]):
            if op == C_HEAR:
                hear(core, index, <int>c.args[0])
            else:
                unhear(core, index, <int>c.args[0])
    elif op == C_DEAF:
        deaf(core, index)
    elif op == C_DIRECTION:
        port.send_on = <int>c.args[0]
        if not port.receive_on and c.args[1]:
            port.state_from_ns = pbx_now_ns()
        port.receive_on = <int>c.args[1]
    elif op == C_JOIN:
        join(core, index, <int>c.args[0], <bint>c.args[1])
    elif op == C_LEAVE:
        leave(core, index)
    elif op == C_KEYS:
        _set_keys(port, <int>c.args[0], <void *><size_t>c.args[1])
    else:
        _sound_command(core, index, port, c)


cdef void _sound_command(Core *core, int index, Port *port, Command *c) noexcept nogil:
    cdef int op = c.op
    if op == C_PLAY:
        _play(core, index, port, c)
    elif op == C_HUSH:
        stop_playing(core, index, D_STOPPED)
    elif op == C_DIGIT:
        queue_digit(port, <uint8_t>c.args[0], <int>c.args[1])
        soil(core, index)
    elif op == C_CONSUME:
        port.consume = <int>c.args[0]
    elif op == C_RECORD:
        stop_recording(core, index, D_STOPPED)
        port.recording = <Recording *><size_t>c.args[0]
        tap(core, index, port.recording.rate_hz, 1)
        if _alive(core, c.args[1], c.args[2]):
            tape_beside(core, index, <int>c.args[1])
    elif op == C_BESIDE:
        if _alive(core, c.args[0], c.args[1]):
            tape_beside(core, index, <int>c.args[0])
    elif op == C_PAUSE:
        if port.recording != NULL:
            port.recording.paused = <int>c.args[0]
    elif op == C_END_RECORDING:
        stop_recording(core, index, D_STOPPED)


cdef bint _alive(Core *core, int64_t index, int64_t generation) noexcept nogil:
    return (0 <= index < core.capacity and core.ports[index].open
            and core.ports[index].generation == <uint32_t>generation)


cdef void _open(Core *core, Port *port, Command *c) noexcept nogil:
    cdef Ear *ear = port.ear
    cdef Mouth *mouth = port.mouth
    cdef Keypad *keypad = port.keypad
    cdef void *opus
    memset(port, 0, sizeof(Port))
    port.ear, port.mouth, port.keypad = ear, mouth, keypad      # made once, used again: the last call's counters go
    if ear != NULL:
        opus = ear.opus
        memset(ear, 0, sizeof(Ear))
        ear.opus = opus
        ear.written_ms = -1000000
        ear.codec = -1
    if keypad != NULL:
        keypad_reset(keypad)
    if mouth != NULL:
        opus = mouth.opus
        memset(mouth, 0, sizeof(Mouth))
        mouth.opus = opus
        mouth.codec = -1
        mouth.digit_ms = -1
    port.generation = c.generation
    port.rtp_fd = <int>c.args[0]
    port.rtcp_fd = <int>c.args[1]
    port.out_ssrc = <uint32_t>c.args[2]
    port.out_seq = <uint16_t>c.args[3]
    port.out_ts = <uint32_t>c.args[4]
    port.events_pt = port.room = port.slot = port.recorded_other = port.fast_fd = port.read_slot = -1
    port.ptime_ms = 20
    port.events_clock = 8
    port.send_on = port.receive_on = 1
    port.opened_ns = port.last_in_ns = port.out_ns = port.state_from_ns = pbx_now_ns()
    port.open = 1
    core.high = max(core.high, <int>c.port + 1)
    attach(core, <int>c.port)


cdef void close_port(Core *core, int index) noexcept nogil:
    """Give back everything that a port has; what it played or recorded is told of."""
    cdef Port *port = &core.ports[index]
    stop_playing(core, index, D_STOPPED)
    stop_recording(core, index, D_STOPPED)
    unlink(core, index)
    wheel_take(core, index)
    farewell(core, index, pbx_now_ns())
    shut(core, index)
    _set_keys(port, 0, NULL)
    _set_keys(port, 1, NULL)
    port.open = 0


cdef void _set_remote(Core *core, int index, Port *port, Command *c) noexcept nogil:
    cdef pbx_address named
    cdef uint8_t ip[16]
    memcpy(ip, &c.args[1], 16)
    pbx_address_set(&named, <int>c.args[0], ip, <uint16_t>c.args[3])
    port.audio_pt = <int>(c.args[4] & 0xFF)
    port.events_pt = <int>((c.args[4] >> 8) & 0xFF)
    if port.events_pt > 127:
        port.events_pt -= 256       # NO_EVENTS, OTHER_WAY
    port.events_clock = 48 if (c.args[4] >> 33) & 1 else 8
    port.inband = <int>((c.args[4] >> 32) & 1) and keypad_of(port) != NULL
    port.codec = <int>((c.args[4] >> 16) & 0xFF)
    port.ptime_ms = <int>((c.args[4] >> 24) & 0xFF)
    port.in_ms = port.last_in_ms = 0
    if port.codec == CODEC_OPUS and port.ptime_ms % 20:
        port.ptime_ms = max(10, port.ptime_ms - 10)     # it knows 10, 20, 40 and 60 ms
    if not port.has_remote or not pbx_address_equal(&named, &port.named):
        # Signalling says so: believe it, and learn anew (a phone behind NAT names an address that is not its own).
        port.named = named
        port.remote = named
        unsettle(core, index)
        port.pinned = 0
        port.has_in = 0
        port.has_remote = 1
        port.state_from_ns = pbx_now_ns()
        port.control_learned = 0
    port.has_control = (c.args[5] & 0xFFFF) != 0
    port.control_mux = <int>(c.args[5] >> 16) & 1
    if not port.control_learned:
        pbx_address_set(&port.control_to, <int>c.args[0], ip, <uint16_t>(c.args[5] & 0xFFFF))
    plan(core, index)


cdef void _set_keys(Port *port, int outwards, void *context) noexcept nogil:
    """Take a context over, in the place of the one before."""
    if outwards:
        forget(port.keys_out)
        port.keys_out = context
    else:
        forget(port.keys_in)
        port.keys_in = context


cdef void _play(Core *core, int index, Port *port, Command *c) noexcept nogil:
    cdef Mouth *mouth
    stop_playing(core, index, D_STOPPED)
    mouth = mouth_of(port)
    if mouth == NULL:
        notify(core, N_DONE, index, c.token, D_STOPPED)
        return
    mouth.playing = <Playlist *><size_t>c.args[0]
    mouth.token = c.token
    mouth.clip, mouth.place = 0, 0
    mouth.shared = <int>c.args[1]
    soil(core, index)
