# cython: language_level=3
"""The media engine: threads that never hold the GIL move RTP between sockets.

Python posts commands through one ring and drains notices from another; an eventfd wakes it. Every port is an index and
a generation, so that a late command cannot touch its successor. Nothing below ``_run`` touches a Python object.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from pbx.native.commands cimport close_port, obey
from pbx.native.core cimport MAX_ROOMS, WHEEL, Core, Port, Room, lost_of
from pbx.native.ear cimport Ear, clock_of, ear_free
from pbx.native.moments cimport moment, readable
from pbx.native.ring cimport Command, Notice, put_command, take_notice
from pbx.native.tick cimport scan, tick
from pbx.native.udp cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, close, epoll_create1, eventfd, pbx_address_ip, pbx_address_port,
    pbx_hasten, pbx_now_ns, pbx_pin, pbx_signal, pbx_sleep_until, pbx_thread_cpu_ns, pbx_unsignal, pbx_wait_until,
    pbx_watch,
)
from pbx.native.voice cimport mouth_free

# Commands, Python to engine; args as native/commands.pyx reads them.
(OP_OPEN, OP_CLOSE, OP_REMOTE, OP_HEAR, OP_UNHEAR, OP_DEAF, OP_DIRECTION, OP_STOP, OP_PLAY, OP_HUSH, OP_DIGIT,
 OP_CONSUME, OP_RECORD, OP_PAUSE, OP_END_RECORDING, OP_JOIN, OP_LEAVE, OP_ROOM, OP_KEYS, OP_PART, OP_ARRIVE,
 OP_BESIDE) = range(1, 23)

# Notices, engine to Python; what NOTICE_MEDIA says; how what NOTICE_DONE tells of came to its end.
NOTICE_RELEASED, NOTICE_DIGIT, NOTICE_MEDIA, NOTICE_DONE, NOTICE_PARTED = range(1, 6)
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
    SETTLED_PER_MS = 8          # ports that get a socket of their own: the dearest thing here
    WAKE_EVERY = 256            # commands that may wait for the end of a turn of the loop
    PIECES = 20                 # in which many ports are looked through, lest one instant pays for all


cdef class Engine:
    """One media thread's worth of ports. Run :meth:`run` in a thread; everything else belongs to one other thread."""

    cdef Core core
    cdef uint64_t ready[EVENTS]

    def __cinit__(self, int capacity=4096, int ring=4096, int64_t epoch_ns=0, int cpu=-1):
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
        core.begun_ns = (epoch_ns or pbx_now_ns()) - 1000 * <int64_t>TICK_NS
        core.cpu = cpu
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
    def pinned(self) -> int:
        """The processor that the thread keeps to, -1: none."""
        return self.core.cpu if self.core.realtime else -1

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
        cdef int64_t now
        core.realtime = pbx_hasten()
        if core.realtime and core.cpu >= 0 and not pbx_pin(core.cpu):
            core.cpu = -1       # without its priority it would wait there for whoever is
        core.running = 1
        core.tick_ms = (pbx_now_ns() - core.begun_ns) // TICK_NS
        while core.running:
            self._gather()
            now = pbx_now_ns()
            obey(core)
            self._ticks(now)
            if now >= core.next_scan_ns:
                self._look_round(now)
            core.loops += 1
        for i in range(core.high):
            if core.ports[i].open:
                close_port(core, i)

    cdef void _look_round(self, int64_t now) noexcept nogil:
        """Look through a piece of the ports; after the last piece take the thread's own pulse."""
        cdef Core *core = &self.core
        cdef int pieces = PIECES if core.on_moments + core.on_wheel > MANY else 1
        cdef int64_t cpu_ns
        core.next_scan_ns = now + SCAN_NS // pieces
        core.piece = core.piece + 1 if core.piece + 1 < pieces else 0
        scan(core, core.high * core.piece // pieces, core.high * (core.piece + 1) // pieces, now)
        if core.piece:
            return
        core.busy = core.received - core.received_before > BUSY_PACKETS
        core.received_before = core.received
        cpu_ns = pbx_thread_cpu_ns()
        if core.cpu_ns:
            core.load += 0.1 * ((cpu_ns - core.cpu_ns) / <double>(now - core.pulse_ns) - core.load)
        core.cpu_ns, core.pulse_ns = cpu_ns, now

    cdef void _gather(self) noexcept nogil:
        """Read what came: with much traffic once per millisecond, many sockets at a time; with little, at once."""
        cdef Core *core = &self.core
        cdef int64_t next_ns, now
        cdef int i, count, legs = core.on_moments + core.on_wheel
        core.step_ms = 1 if legs > MANY else (2 if legs > SOME else 4)
        next_ns = core.begun_ns + (core.tick_ms + core.step_ms) * TICK_NS
        if core.busy:
            pbx_sleep_until(next_ns)
            next_ns = 0
        elif not legs:
            next_ns = core.next_scan_ns
        while True:
            count = pbx_wait_until(core.epoll, self.ready, EVENTS, next_ns)
            obey(core)          # what was told before a packet came holds for that packet
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
            core.settled = -SETTLED_PER_MS
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
        core.settled = -<int>(SETTLED_PER_MS * min(now_ms - core.tick_ms, <int64_t>WHEEL))  # more after a long turn
        while core.tick_ms < now_ms:
            core.tick_ms += 1
            moment(core, core.tick_ms, now)
            tick(core, core.tick_ms, now)
