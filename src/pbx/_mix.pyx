# cython: language_level=3
"""The media engine: threads that never hold the GIL move RTP between sockets.

Python posts commands through one ring and drains notices from another; an eventfd wakes it. Every port is an index and
a generation, so that a late command cannot touch its successor. Nothing below ``_run`` touches a Python object.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from pbx.native.core cimport (
    D_STOPPED, MAX_ROOMS, N_DONE, N_RELEASED, WHEEL, Core, Port, Room, keypad_of, lost_of, mouth_of, notify, soil,
    wheel_take,
)
from pbx.native.dtmf cimport Keypad, keypad_reset
from pbx.native.ear cimport CODEC_OPUS, Ear, clock_of, ear_free
from pbx.native.matrix cimport deaf, hear, join, leave, plan, plan_dirty, unhear, unlink
from pbx.native.moments cimport W_ALL, W_RTCP, moment, readable, unsettle
from pbx.native.recorder cimport Recording, end_recording
from pbx.native.ring cimport Command, Notice, put_command, take_command, take_notice
from pbx.native.rtcp cimport farewell
from pbx.native.srtp cimport forget
from pbx.native.tick cimport scan, stop_playing, stop_recording, tick
from pbx.native.transmit cimport queue_digit
from pbx.native.udp cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, close, epoll_create1, eventfd, pbx_address, pbx_address_equal,
    pbx_address_ip, pbx_address_port, pbx_address_set, pbx_hasten, pbx_now_ns, pbx_signal,
    pbx_sleep_until, pbx_thread_cpu_ns, pbx_unsignal, pbx_wait_until, pbx_watch,
)
from pbx.native.voice cimport Mouth, Playlist, mouth_free

# Commands, Python to engine; args as `_command` below reads them.
(OP_OPEN, OP_CLOSE, OP_REMOTE, OP_HEAR, OP_UNHEAR, OP_DEAF, OP_DIRECTION, OP_STOP, OP_PLAY, OP_HUSH, OP_DIGIT,
 OP_CONSUME, OP_RECORD, OP_PAUSE, OP_END_RECORDING, OP_JOIN, OP_LEAVE, OP_ROOM, OP_KEYS) = range(1, 20)
cdef enum:
    C_OPEN = 1, C_CLOSE, C_REMOTE, C_HEAR, C_UNHEAR, C_DEAF, C_DIRECTION, C_STOP, C_PLAY, C_HUSH, C_DIGIT
    C_CONSUME, C_RECORD, C_PAUSE, C_END_RECORDING, C_JOIN, C_LEAVE, C_ROOM, C_KEYS

# Notices, engine to Python; what NOTICE_MEDIA says; how what NOTICE_DONE tells of came to its end.
NOTICE_RELEASED, NOTICE_DIGIT, NOTICE_MEDIA, NOTICE_DONE = range(1, 5)
MEDIA_BACK, MEDIA_NEVER_CAME, MEDIA_STOPPED, MEDIA_WRONG_SOURCE, MEDIA_UNDECRYPTABLE = range(5)
DONE_ENDED, DONE_STOPPED, DONE_FAILED, DONE_SILENCE, DONE_LIMIT = range(5)

cdef enum:
    EVENTS = 512
    SCAN_NS = 100000000
    TICK_NS = 1000000
    MOST_BEHIND_MS = 100        # further behind: leave instants out
    LONG_MS = 8                 # further behind: sockets may hold more than one packet
    MANY = 500                  # legs: with fewer a coarser grid spares waking up
    SOME = 100
    BUSY_PACKETS = 60           # in one scan: from here on read on the grid, many sockets at a time
    WAKE_EVERY = 256            # commands that may wait for the end of a turn of the loop


cdef class Engine:
    """One media thread's worth of ports. Run :meth:`run` in a thread; everything else belongs to one other thread."""

    cdef Core core
    cdef uint64_t ready[EVENTS]

    def __cinit__(self, int capacity=4096, int ring=4096):
        cdef Core *core = &self.core
        cdef int i
        if ring & (ring - 1):
            raise ValueError("the ring's size must be a power of two")
        core.capacity = capacity
        core.ports = <Port *>calloc(capacity, sizeof(Port))
        core.dirty = <int *>calloc(capacity, sizeof(int))
        core.rooms = <Room *>calloc(MAX_ROOMS, sizeof(Room))
        core.commands.slots = <Command *>calloc(ring, sizeof(Command))
        core.notices.slots = <Notice *>calloc(ring, sizeof(Notice))
        if (core.ports == NULL or core.dirty == NULL or core.rooms == NULL or core.commands.slots == NULL
                or core.notices.slots == NULL):
            raise MemoryError
        core.commands.mask = core.notices.mask = ring - 1
        for i in range(WHEEL):
            core.wheel[i] = core.moments[i] = -1
        core.begun_ns = pbx_now_ns() - 1000 * <int64_t>TICK_NS
        core.epoll = epoll_create1(EPOLL_CLOEXEC)
        core.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        core.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if core.epoll < 0 or core.wake < 0 or core.event_fd < 0:
            raise OSError("no file handle left for the media engine")
        pbx_watch(core.epoll, core.wake, <uint64_t>-1)

    def __dealloc__(self):
        cdef int i
        if self.core.ports != NULL:
            for i in range(self.core.high):
                ear_free(self.core.ports[i].ear)
                mouth_free(self.core.ports[i].mouth)
                free(self.core.ports[i].keypad)
        free(self.core.ports)
        free(self.core.dirty)
        free(self.core.rooms)
        free(self.core.commands.slots)
        free(self.core.notices.slots)
        if self.core.epoll > 0:
            close(self.core.epoll)
            close(self.core.wake)
            close(self.core.event_fd)

    # ---- Python's side ---------------------------------------------------------------------------------------------

    def post(self, int op, uint32_t port, uint32_t generation, uint32_t token=0, int64_t a=0, int64_t b=0,
             int64_t c=0, int64_t d=0, int64_t e=0, int64_t f=0) -> None:
        """Hand one command to the engine and wake it.

        :raises BufferError: when the ring is full.
        """
        self.put(op, port, generation, token, a, b, c, d, e, f)
        pbx_signal(self.core.wake)

    def put(self, int op, uint32_t port, uint32_t generation, uint32_t token=0, int64_t a=0, int64_t b=0,
            int64_t c=0, int64_t d=0, int64_t e=0, int64_t f=0) -> None:
        """Hand one command to the engine; it is looked at when :meth:`wake` says so, or earlier.

        :raises BufferError: when the ring is full.
        """
        cdef Command command
        memset(&command, 0, sizeof(command))
        command.op, command.port, command.generation, command.token = op, port, generation, token
        command.args[0], command.args[1], command.args[2] = a, b, c
        command.args[3], command.args[4], command.args[5] = d, e, f
        if not put_command(&self.core.commands, &command):
            pbx_signal(self.core.wake)
            raise BufferError("the media engine's command ring is full")
        if self.core.commands.head % WAKE_EVERY == 0:
            pbx_signal(self.core.wake)

    def wake(self) -> None:
        """Let the engine look at its commands now."""
        pbx_signal(self.core.wake)

    def drain(self) -> list:
        """Return the notices that wait: (kind, port, generation, token, value, at_ns)."""
        cdef Notice notice
        pbx_unsignal(self.core.event_fd)
        found = []
        while take_notice(&self.core.notices, &notice):
            found.append((notice.kind, notice.port, notice.generation, notice.token, notice.value, notice.at_ns))
        return found

    def stats(self, uint32_t index) -> dict:
        """Read a port's counters; a word may be one packet younger than its neighbour."""
        cdef Port *port = &self.core.ports[index]
        cdef Ear *ear = port.ear
        cdef uint8_t ip[16]
        cdef int family = pbx_address_ip(&port.remote, ip)
        cdef bint hears = ear != NULL and port.heard
        return {
            "packets_in": port.packets_in, "packets_out": port.packets_out, "lost": max(0, lost_of(port)),
            "invalid": port.invalid, "undecryptable": port.undecryptable, "replayed": port.replayed,
            "encrypted": port.keys_in != NULL and port.keys_out != NULL,
            "wrong_source": port.wrong_source, "truncated": port.truncated,
            "send_errors": port.send_errors, "jitter_ms": port.jitter / 8.0, "media_state": port.media_state,
            "late": ear.jitter.late if ear != NULL else 0,
            "duplicates": ear.jitter.duplicates if ear != NULL else 0,
            "concealed_ms": ear.concealed * 1000 // ear.rate_hz if hears and ear.rate_hz else 0,
            "delay_ms": <int>ear.delay_ms if hears else 0,
            "round_trip_ns": port.round_trip_ns if port.trips else -1,
            "peer_reports": port.peer_reports, "peer_lost": port.peer_lost, "peer_jitter_ms": port.peer_jitter / <double>clock_of(port.codec),
            "control_in": port.control_in, "control_out": port.control_out, "control_invalid": port.control_invalid,
            "byes": port.byes, "digits_refused": port.digits_refused, "relaying": port.relaying, "remote_ip": bytes(ip[:16 if family == 6 else 4]),
            "remote_port": pbx_address_port(&port.remote),
        }

    @property
    def capacity(self) -> int:
        return self.core.capacity

    @property
    def event_fd(self) -> int:
        return self.core.event_fd

    @property
    def cpu_ns(self) -> int:
        return self.core.cpu_ns

    @property
    def load(self) -> float:
        """Share of a core that the thread takes, over the last second or so."""
        return self.core.load

    @property
    def loops(self) -> int:
        return self.core.loops

    @property
    def on_moments(self) -> int:
        """How many ports are read at moments of their own, without epoll."""
        return self.core.on_moments

    @property
    def realtime(self) -> bool:
        """Whether SCHED_FIFO was granted."""
        return bool(self.core.realtime)

    @property
    def dropped_notices(self) -> int:
        return self.core.notices.dropped

    @property
    def lateness(self) -> tuple:
        """How late instants were worked off: counts in bins of 50 µs (the last is open), the worst in ns, skipped ms."""
        return [self.core.lateness[i] for i in range(128)], self.core.worst_ns, self.core.skipped_ms

    # ---- the engine's side -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until OP_STOP; holds the GIL only on entry and exit."""
        with nogil:
            self._run()

    cdef void _run(self) noexcept nogil:
        cdef Core *core = &self.core
        cdef int i
        cdef int64_t now, cpu_ns, scanned_ns = 0, received_before = 0
        cdef bint busy = False
        core.realtime = pbx_hasten()
        core.running = 1
        core.tick_ms = (pbx_now_ns() - core.begun_ns) // TICK_NS
        while core.running:
            self._gather(busy)
            now = pbx_now_ns()
            self._commands()
            self._ticks(now)
            if now >= core.next_scan_ns:
                core.next_scan_ns = now + SCAN_NS
                scan(core, now)
                busy = core.received - received_before > BUSY_PACKETS
                received_before = core.received
                cpu_ns = pbx_thread_cpu_ns()
                if core.cpu_ns:
                    core.load += 0.1 * ((cpu_ns - core.cpu_ns) / <double>(now - scanned_ns) - core.load)
                core.cpu_ns, scanned_ns = cpu_ns, now
            core.loops += 1
        for i in range(core.high):
            if core.ports[i].open:
                self._close(i)

    cdef void _gather(self, bint busy) noexcept nogil:
        """Read what came: with much traffic once per millisecond, many sockets at a time; with little, at once."""
        cdef Core *core = &self.core
        cdef int64_t next_ns, now
        cdef int i, count, legs = core.on_moments + core.on_wheel
        core.step_ms = 1 if legs > MANY else (2 if legs > SOME else 4)
        next_ns = core.begun_ns + (core.tick_ms + core.step_ms) * TICK_NS
        if busy:
            pbx_sleep_until(next_ns)
            next_ns = 0
        elif not legs:
            next_ns = core.next_scan_ns
        while True:
            count = pbx_wait_until(core.epoll, self.ready, EVENTS, next_ns)
            self._commands()    # what was told before a packet came holds for that packet
            now = pbx_now_ns()
            for i in range(count):
                if self.ready[i] == <uint64_t>-1:
                    pbx_unsignal(core.wake)
                else:
                    readable(core, <uint32_t>(self.ready[i] >> 2), <int>(self.ready[i] & 3), now)
            if count < EVENTS:
                return
            next_ns = 0

    cdef void _ticks(self, int64_t now) noexcept nogil:
        """Work off the instants that are due."""
        cdef Core *core = &self.core
        cdef int64_t now_ms = (now - core.begun_ns) // TICK_NS, late
        if not core.on_wheel and not core.on_moments:
            core.tick_ms = now_ms
            core.settled = 0
            return
        if now_ms - core.tick_ms < core.step_ms:
            return              # woken before the next instant
        late = now - (core.begun_ns + (core.tick_ms + core.step_ms) * TICK_NS)
        core.lateness[min(late // 50000, <int64_t>127)] += 1
        core.worst_ns = max(core.worst_ns, late)
        if now_ms - core.tick_ms > LONG_MS:
            core.drain_until_ms = now_ms + WHEEL
        if now_ms - core.tick_ms > MOST_BEHIND_MS:
            core.skipped_ms += now_ms - core.tick_ms - WHEEL
            core.tick_ms = now_ms - WHEEL
        core.batch_ms = now_ms
        core.settled = 0
        while core.tick_ms < now_ms:
            core.tick_ms += 1
            moment(core, core.tick_ms, now)
            tick(core, core.tick_ms, now)

    cdef void _commands(self) noexcept nogil:
        cdef Command command
        while take_command(&self.core.commands, &command):
            self._command(&command)
        plan_dirty(&self.core)

    cdef void _command(self, Command *c) noexcept nogil:
        cdef Core *core = &self.core
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
            self._open(port, c)
        elif port.open and port.generation == c.generation:
            self._port_command(<int>c.port, port, c)
        elif c.op == C_KEYS:
            forget(<void *><size_t>c.args[1])
        elif c.op == C_RECORD:
            end_recording(<Recording *><size_t>c.args[0], D_STOPPED)

    cdef void _port_command(self, int index, Port *port, Command *c) noexcept nogil:
        cdef Core *core = &self.core
        cdef int op = c.op
        if op == C_CLOSE:
            self._close(index)
            notify(core, N_RELEASED, index, c.token, 0)
        elif op == C_REMOTE:
            self._set_remote(index, port, c)
        elif op == C_HEAR or op == C_UNHEAR:
            if self._alive(c.args[0], c.args[1]):
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
            self._set_keys(port, <int>c.args[0], <void *><size_t>c.args[1])
        else:
            self._sound_command(index, port, c)

    cdef void _sound_command(self, int index, Port *port, Command *c) noexcept nogil:
        cdef Core *core = &self.core
        cdef int op = c.op
        if op == C_PLAY:
            self._play(index, port, c)
        elif op == C_HUSH:
            stop_playing(core, index, D_STOPPED)
        elif op == C_DIGIT:
            queue_digit(port, <uint8_t>c.args[0], <int>c.args[1])
            soil(core, index)
        elif op == C_CONSUME:
            port.consume = <int>c.args[0]
        elif op == C_RECORD:
            self._record(index, port, c)
        elif op == C_PAUSE:
            if port.recording != NULL:
                port.recording.paused = <int>c.args[0]
        elif op == C_END_RECORDING:
            stop_recording(core, index, D_STOPPED)

    cdef bint _alive(self, int64_t index, int64_t generation) noexcept nogil:
        return (0 <= index < self.core.capacity and self.core.ports[index].open
                and self.core.ports[index].generation == <uint32_t>generation)

    cdef void _open(self, Port *port, Command *c) noexcept nogil:
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
        port.send_on = port.receive_on = 1
        port.opened_ns = port.last_in_ns = port.out_ns = port.state_from_ns = pbx_now_ns()
        port.open = 1
        self.core.high = max(self.core.high, <int>c.port + 1)
        pbx_watch(self.core.epoll, port.rtp_fd, <uint64_t>c.port << 2 | W_ALL)
        pbx_watch(self.core.epoll, port.rtcp_fd, <uint64_t>c.port << 2 | W_RTCP)

    cdef void _close(self, int index) noexcept nogil:
        cdef Port *port = &self.core.ports[index]
        stop_playing(&self.core, index, D_STOPPED)
        stop_recording(&self.core, index, D_STOPPED)
        unlink(&self.core, index)
        wheel_take(&self.core, index)
        farewell(&self.core, index, pbx_now_ns())
        unsettle(&self.core, index)
        close(port.rtp_fd)      # leaves epoll by itself
        close(port.rtcp_fd)
        self._set_keys(port, 0, NULL)
        self._set_keys(port, 1, NULL)
        port.open = 0

    cdef void _set_remote(self, int index, Port *port, Command *c) noexcept nogil:
        cdef pbx_address named
        cdef uint8_t ip[16]
        memcpy(ip, &c.args[1], 16)
        pbx_address_set(&named, <int>c.args[0], ip, <uint16_t>c.args[3])
        port.audio_pt = <int>(c.args[4] & 0xFF)
        port.events_pt = <int>((c.args[4] >> 8) & 0xFF)
        if port.events_pt > 127:
            port.events_pt -= 256       # NO_EVENTS, OTHER_WAY
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
            unsettle(&self.core, index)
            port.pinned = 0
            port.has_in = 0
            port.has_remote = 1
            port.state_from_ns = pbx_now_ns()
            port.control_learned = 0
        port.has_control = (c.args[5] & 0xFFFF) != 0
        port.control_mux = <int>(c.args[5] >> 16) & 1
        if not port.control_learned:
            pbx_address_set(&port.control_to, <int>c.args[0], ip, <uint16_t>(c.args[5] & 0xFFFF))
        plan(&self.core, index)

    cdef void _set_keys(self, Port *port, int outwards, void *context) noexcept nogil:
        """Take a context over, in the place of the one before."""
        if outwards:
            forget(port.keys_out)
            port.keys_out = context
        else:
            forget(port.keys_in)
            port.keys_in = context

    cdef void _play(self, int index, Port *port, Command *c) noexcept nogil:
        cdef Mouth *mouth
        stop_playing(&self.core, index, D_STOPPED)
        mouth = mouth_of(port)
        if mouth == NULL:
            notify(&self.core, N_DONE, index, c.token, D_STOPPED)
            return
        mouth.playing = <Playlist *><size_t>c.args[0]
        mouth.token = c.token
        mouth.clip, mouth.place = 0, 0
        soil(&self.core, index)

    cdef void _record(self, int index, Port *port, Command *c) noexcept nogil:
        stop_recording(&self.core, index, D_STOPPED)
        port.recording = <Recording *><size_t>c.args[0]
        port.taps += 1
        if c.args[1] >= 0 and self._alive(c.args[1], c.args[2]):
            port.recorded_other = <int>c.args[1]
            port.recorded_generation = <uint32_t>c.args[2]
            self.core.ports[port.recorded_other].taps += 1
            soil(&self.core, port.recorded_other)
        soil(&self.core, index)
