# cython: language_level=3
"""The media engine: threads that never hold the GIL move RTP between sockets.

Python posts commands through one ring and drains notices from another; an eventfd wakes it. Every port is an index and
a generation, so that a late command cannot touch its successor. Nothing below ``run`` touches a Python object.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from pbx.native.g711 cimport alaw_to_linear, linear_to_alaw, linear_to_ulaw, ulaw_to_linear
from pbx.native.ring cimport (
    Command, CommandRing, Notice, NoticeRing, put_command, put_notice, take_command, take_notice,
)
from pbx.native.udp cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, close, epoll_create1, eventfd, pbx_address, pbx_address_equal,
    pbx_address_ip, pbx_address_port, pbx_address_set, pbx_now_ns, pbx_receive, pbx_send, pbx_signal,
    pbx_thread_cpu_ns, pbx_unsignal, pbx_wait, pbx_watch,
)

# Commands, Python to engine; args as `_command` below reads them.
OP_OPEN, OP_CLOSE, OP_REMOTE, OP_HEAR, OP_DEAF, OP_DIRECTION, OP_STOP = range(1, 8)
cdef enum:
    C_OPEN = 1, C_CLOSE, C_REMOTE, C_HEAR, C_DEAF, C_DIRECTION, C_STOP

# Notices, engine to Python.
NOTICE_RELEASED, NOTICE_DIGIT, NOTICE_MEDIA = range(1, 4)
cdef enum:
    N_RELEASED = 1, N_DIGIT, N_MEDIA

# What NOTICE_MEDIA says.
MEDIA_BACK, MEDIA_NEVER_CAME, MEDIA_STOPPED, MEDIA_WRONG_SOURCE = range(4)
cdef enum:
    M_BACK = 0, M_NEVER_CAME, M_STOPPED, M_WRONG_SOURCE

cdef enum:
    MAX_LISTENERS = 8
    PACKET_BYTES = 2048
    HEADER_BYTES = 12
    PIN_PACKETS = 4             # valid packets from one source before it is pinned
    SILENCE_NS = 3000000000     # without packets this long: tell (CONTRACTS: within 3 s)
    SCAN_NS = 100000000

cdef enum:
    CODEC_OTHER = 0, CODEC_PCMU, CODEC_PCMA


cdef struct Port:
    uint32_t generation
    int open
    int rtp_fd
    int rtcp_fd
    int send_on                 # our side may send (direction)
    int receive_on              # we want what the peer sends
    int has_remote
    int codec
    int pinned                  # valid packets from `remote` so far, up to PIN_PACKETS
    int audio_pt                # what the peer sends and wants
    int events_pt               # -1: none
    int media_state             # M_*
    int has_in
    int listeners[MAX_LISTENERS]
    int listener_count
    int source                  # the port this one hears, -1: none
    uint32_t in_ssrc
    uint16_t in_seq
    uint32_t digit_ts           # time stamp of the last digit reported
    int digit_seen
    uint32_t out_ssrc
    uint32_t map_ssrc           # the source stream that the mapping below is for
    int mapped
    uint16_t seq_shift
    uint32_t ts_shift
    uint16_t out_seq            # last sent
    uint32_t out_ts
    int64_t out_ns
    int64_t opened_ns
    int64_t last_in_ns
    pbx_address remote          # where we send
    pbx_address named           # where the session description says that the peer is
    # counters, read by Python without a lock: each is one word
    int64_t packets_in
    int64_t packets_out
    int64_t lost
    int64_t invalid
    int64_t wrong_source
    int64_t truncated
    int64_t send_errors
    double jitter               # RFC 3550 6.4.1, in time stamp units
    int64_t transit
    uint32_t max_seq_ext
    uint32_t base_seq
    int64_t received


cdef uint8_t ULAW_OF_ALAW[256]
cdef uint8_t ALAW_OF_ULAW[256]


cdef void _fill_tables() noexcept:
    cdef int i
    for i in range(256):
        ULAW_OF_ALAW[i] = linear_to_ulaw(alaw_to_linear(<uint8_t>i))
        ALAW_OF_ULAW[i] = linear_to_alaw(ulaw_to_linear(<uint8_t>i))


_fill_tables()


cdef class Engine:
    """One media thread's worth of ports. Run :meth:`run` in a thread; everything else belongs to one other thread."""

    cdef Port *ports
    cdef readonly int capacity
    cdef CommandRing commands
    cdef NoticeRing notices
    cdef int epoll
    cdef int wake               # Python → engine
    cdef readonly int event_fd  # engine → Python
    cdef int running
    cdef uint8_t packet[PACKET_BYTES]
    cdef uint8_t copy[PACKET_BYTES]
    cdef int64_t next_scan_ns
    cdef readonly int64_t cpu_ns
    cdef readonly int64_t loops

    def __cinit__(self, int capacity=4096, int ring=4096):
        if ring & (ring - 1):
            raise ValueError("the ring's size must be a power of two")
        self.capacity = capacity
        self.ports = <Port *>calloc(capacity, sizeof(Port))
        self.commands.slots = <Command *>calloc(ring, sizeof(Command))
        self.notices.slots = <Notice *>calloc(ring, sizeof(Notice))
        if self.ports == NULL or self.commands.slots == NULL or self.notices.slots == NULL:
            raise MemoryError
        self.commands.mask = self.notices.mask = ring - 1
        self.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.epoll < 0 or self.wake < 0 or self.event_fd < 0:
            raise OSError("no file handle left for the media engine")
        pbx_watch(self.epoll, self.wake, <uint64_t>-1)

    def __dealloc__(self):
        free(self.ports)
        free(self.commands.slots)
        free(self.notices.slots)
        if self.epoll > 0:
            close(self.epoll)
            close(self.wake)
            close(self.event_fd)

    # ---- Python's side ---------------------------------------------------------------------------------------------

    def post(self, int op, uint32_t port, uint32_t generation, uint32_t token=0, int64_t a=0, int64_t b=0,
             int64_t c=0, int64_t d=0, int64_t e=0, int64_t f=0) -> None:
        """Hand one command to the engine.

        :raises BufferError: when the ring is full.
        """
        cdef Command command
        memset(&command, 0, sizeof(command))
        command.op, command.port, command.generation, command.token = op, port, generation, token
        command.args[0], command.args[1], command.args[2] = a, b, c
        command.args[3], command.args[4], command.args[5] = d, e, f
        if not put_command(&self.commands, &command):
            raise BufferError("the media engine's command ring is full")
        pbx_signal(self.wake)

    def drain(self) -> list:
        """Return the notices that wait: (kind, port, generation, token, value, at_ns)."""
        cdef Notice notice
        pbx_unsignal(self.event_fd)
        found = []
        while take_notice(&self.notices, &notice):
            found.append((notice.kind, notice.port, notice.generation, notice.token, notice.value, notice.at_ns))
        return found

    def stats(self, uint32_t index) -> dict:
        """Read a port's counters; a word may be one packet younger than its neighbour."""
        cdef Port *port = &self.ports[index]
        cdef uint8_t ip[16]
        cdef int family = pbx_address_ip(&port.remote, ip)
        return {
            "packets_in": port.packets_in, "packets_out": port.packets_out, "lost": max(0, _lost(port)),
            "invalid": port.invalid, "wrong_source": port.wrong_source, "truncated": port.truncated,
            "send_errors": port.send_errors, "jitter_ms": port.jitter / 8.0, "media_state": port.media_state,
            "remote_ip": bytes(ip[:16 if family == 6 else 4]), "remote_port": pbx_address_port(&port.remote),
        }

    @property
    def dropped_notices(self) -> int:
        return self.notices.dropped

    # ---- the engine's side -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until OP_STOP; holds the GIL only on entry and exit."""
        with nogil:
            self._run()

    cdef void _run(self) noexcept nogil:
        cdef uint64_t ready[64]
        cdef int i, count
        cdef int64_t now
        self.running = 1
        while self.running:
            count = pbx_wait(self.epoll, ready, 64, SCAN_NS)
            now = pbx_now_ns()
            for i in range(count):
                if ready[i] == <uint64_t>-1:
                    pbx_unsignal(self.wake)
                else:
                    self._readable(ready[i], now)
            self._commands()
            if now >= self.next_scan_ns:
                self.next_scan_ns = now + SCAN_NS
                self._scan(now)
                self.cpu_ns = pbx_thread_cpu_ns()
            self.loops += 1
        for i in range(self.capacity):
            if self.ports[i].open:
                self._close(&self.ports[i])

    cdef void _notify(self, int kind, uint32_t index, Port *port, uint32_t token, int64_t value) noexcept nogil:
        cdef Notice notice
        notice.kind, notice.flags, notice.port, notice.generation = kind, 0, index, port.generation
        notice.token, notice.value, notice.at_ns = token, value, pbx_now_ns()
        put_notice(&self.notices, &notice)
        pbx_signal(self.event_fd)

    cdef void _commands(self) noexcept nogil:
        cdef Command command
        while take_command(&self.commands, &command):
            self._command(&command)

    cdef void _command(self, Command *c) noexcept nogil:
        cdef Port *port
        cdef uint8_t ip[16]
        cdef uint32_t other
        if c.op == C_STOP:
            self.running = 0
            return
        if c.port >= <uint32_t>self.capacity:
            return
        port = &self.ports[c.port]
        if c.op == C_OPEN:
            self._open(port, c)
            return
        if not port.open or port.generation != c.generation:
            return
        if c.op == C_CLOSE:
            self._unlink(c.port)
            self._notify(N_RELEASED, c.port, port, c.token, 0)
            self._close(port)
        elif c.op == C_REMOTE:
            memcpy(ip, &c.args[1], 16)
            self._set_remote(port, <int>c.args[0], ip, c)
        elif c.op == C_HEAR:
            other = <uint32_t>c.args[0]
            if other < <uint32_t>self.capacity and self.ports[other].open and (
                    self.ports[other].generation == <uint32_t>c.args[1]):
                self._hear(c.port, other)
        elif c.op == C_DEAF:
            self._deaf(c.port)
        elif c.op == C_DIRECTION:
            port.send_on = <int>c.args[0]
            port.receive_on = <int>c.args[1]

    cdef void _open(self, Port *port, Command *c) noexcept nogil:
        memset(port, 0, sizeof(Port))
        port.generation = c.generation
        port.rtp_fd = <int>c.args[0]
        port.rtcp_fd = <int>c.args[1]
        port.out_ssrc = <uint32_t>c.args[2]
        port.out_seq = <uint16_t>c.args[3]
        port.out_ts = <uint32_t>c.args[4]
        port.source = -1
        port.events_pt = -1
        port.send_on = port.receive_on = 1
        port.opened_ns = port.last_in_ns = port.out_ns = pbx_now_ns()
        port.open = 1
        pbx_watch(self.epoll, port.rtp_fd, (<uint64_t>c.port << 1))
        pbx_watch(self.epoll, port.rtcp_fd, (<uint64_t>c.port << 1) | 1)

    cdef void _close(self, Port *port) noexcept nogil:
        close(port.rtp_fd)      # leaves epoll by itself
        close(port.rtcp_fd)
        port.open = 0

    cdef void _set_remote(self, Port *port, int family, uint8_t *ip, Command *c) noexcept nogil:
        cdef pbx_address named
        pbx_address_set(&named, family, ip, <uint16_t>c.args[3])
        port.audio_pt = <int>(c.args[4] & 0xFF)
        port.events_pt = <int>((c.args[4] >> 8) & 0xFF)
        if port.events_pt == 0xFF:
            port.events_pt = -1
        port.codec = <int>(c.args[4] >> 16)
        if not port.has_remote or not pbx_address_equal(&named, &port.named):
            # Signalling says so: believe it, and learn anew (a phone behind NAT names an address that is not its own).
            port.named = named
            port.remote = named
            port.pinned = 0
            port.has_in = 0
            port.has_remote = 1
            port.last_in_ns = pbx_now_ns()

    cdef void _hear(self, uint32_t index, uint32_t other) noexcept nogil:
        cdef Port *speaker = &self.ports[other]
        self._deaf(index)
        if speaker.listener_count < MAX_LISTENERS:
            speaker.listeners[speaker.listener_count] = <int>index
            speaker.listener_count += 1
            self.ports[index].source = <int>other
            self.ports[index].mapped = 0

    cdef void _deaf(self, uint32_t index) noexcept nogil:
        cdef Port *port = &self.ports[index]
        cdef Port *speaker
        cdef int i
        if port.source < 0:
            return
        speaker = &self.ports[port.source]
        for i in range(speaker.listener_count):
            if speaker.listeners[i] == <int>index:
                speaker.listener_count -= 1
                speaker.listeners[i] = speaker.listeners[speaker.listener_count]
                break
        port.source = -1

    cdef void _unlink(self, uint32_t index) noexcept nogil:
        cdef Port *port = &self.ports[index]
        self._deaf(index)
        while port.listener_count:
            self._deaf(<uint32_t>port.listeners[port.listener_count - 1])

    cdef void _readable(self, uint64_t data, int64_t now) noexcept nogil:
        cdef uint32_t index = <uint32_t>(data >> 1)
        cdef Port *port = &self.ports[index]
        cdef pbx_address source
        cdef long size
        cdef int fd
        if not port.open:
            return
        fd = port.rtcp_fd if data & 1 else port.rtp_fd
        while True:
            size = pbx_receive(fd, self.packet, PACKET_BYTES, &source)
            if size < 0:
                return
            if data & 1:
                continue
            if size > PACKET_BYTES:
                port.truncated += 1
            else:
                self._packet(index, port, size, &source, now)

    cdef void _packet(self, uint32_t index, Port *port, long size, pbx_address *source, int64_t now) noexcept nogil:
        cdef uint8_t *p = self.packet
        cdef int pt, i
        cdef long header
        cdef uint32_t ssrc
        if size < HEADER_BYTES or p[0] >> 6 != 2:
            port.invalid += 1
            return
        pt = p[1] & 0x7F
        if 64 <= pt <= 95:
            return              # RTCP on the same port (RFC 5761)
        header = HEADER_BYTES + 4 * (p[0] & 0x0F)
        if p[0] & 0x10:
            if size < header + 4:
                port.invalid += 1
                return
            header += 4 + 4 * ((p[header + 2] << 8) | p[header + 3])
        if p[0] & 0x20 and size > header:
            size -= p[size - 1]
        if size <= header or (pt != port.audio_pt and pt != port.events_pt):
            port.invalid += 1
            return
        ssrc = (p[8] << 24) | (p[9] << 16) | (p[10] << 8) | p[11]
        if not self._learn(port, source, ssrc, <uint16_t>((p[2] << 8) | p[3])):
            port.wrong_source += 1
            return
        self._account(port, p, ssrc, now)
        if port.media_state != M_BACK:
            port.media_state = M_BACK
            self._notify(N_MEDIA, index, port, 0, M_BACK)
        if pt == port.events_pt:
            self._digit(index, port, p + header, size - header)
        if not port.receive_on:
            return
        for i in range(port.listener_count):
            self._forward(port, &self.ports[port.listeners[i]], p, pt, header, size, now)

    cdef bint _learn(self, Port *port, pbx_address *source, uint32_t ssrc, uint16_t seq) noexcept nogil:
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
            port.pinned = 1
            return True
        if port.has_in and ssrc == port.in_ssrc and <uint16_t>(seq - port.in_seq - 1) < 100:
            port.remote = source[0]
            return True
        return False

    cdef void _account(self, Port *port, uint8_t *p, uint32_t ssrc, int64_t now) noexcept nogil:
        cdef uint16_t seq = <uint16_t>((p[2] << 8) | p[3])
        cdef uint32_t ts = (p[4] << 24) | (p[5] << 16) | (p[6] << 8) | p[7]
        cdef int64_t transit = now // 125000 - ts
        cdef int64_t d
        cdef uint16_t ahead
        port.packets_in += 1
        port.last_in_ns = now
        if not port.has_in or ssrc != port.in_ssrc:
            port.lost += max(0, _lost(port)) if port.has_in else 0
            port.has_in = 1
            port.in_ssrc = ssrc
            port.in_seq = seq
            port.base_seq = seq
            port.max_seq_ext = seq
            port.received = 1
            port.transit = transit
            return
        port.received += 1
        ahead = seq - port.in_seq
        if ahead < 0x8000:
            port.max_seq_ext += ahead
            port.in_seq = seq
        d = transit - port.transit
        port.transit = transit
        if -80000 < d < 80000:
            port.jitter += ((d if d >= 0 else -d) - port.jitter) / 16.0

    cdef void _digit(self, uint32_t index, Port *port, uint8_t *p, long size) noexcept nogil:
        """Report an RFC 4733 digit once: at its first end packet, known by its time stamp."""
        cdef uint32_t ts
        if size < 4 or p[0] > 15:
            return
        ts = (self.packet[4] << 24) | (self.packet[5] << 16) | (self.packet[6] << 8) | self.packet[7]
        if port.digit_seen and ts == port.digit_ts:
            return
        if p[1] & 0x80:
            port.digit_ts = ts
            port.digit_seen = 1
            self._notify(N_DIGIT, index, port, (p[2] << 8) | p[3], p[0])

    cdef void _forward(self, Port *source, Port *port, uint8_t *p, int pt, long header, long size,
                       int64_t now) noexcept nogil:
        """Send a packet of *source*'s to the peer of *port*, as a stream of *port*'s own."""
        cdef uint8_t *out = self.copy
        cdef uint16_t seq
        cdef uint32_t ts
        cdef long i, length = size - header
        cdef int out_pt
        if not port.send_on or not port.has_remote:
            port.mapped = 0     # after a pause the stream goes on without a gap in its sequence numbers
            return
        if pt == source.audio_pt:
            out_pt = port.audio_pt
        elif port.events_pt >= 0:
            out_pt = port.events_pt
        else:
            return
        seq = <uint16_t>((p[2] << 8) | p[3])
        ts = (p[4] << 24) | (p[5] << 16) | (p[6] << 8) | p[7]
        if not port.mapped or port.map_ssrc != source.in_ssrc:
            # A new source: go on where our own stream stood, with the time that passed meanwhile.
            port.map_ssrc = source.in_ssrc
            port.mapped = 1
            port.seq_shift = <uint16_t>(port.out_seq + 1 - seq)
            port.ts_shift = port.out_ts + <uint32_t>((now - port.out_ns) // 125000) - ts
            p[1] |= 0x80
        seq += port.seq_shift
        ts += port.ts_shift
        out[0] = 0x80
        out[1] = (p[1] & 0x80) | out_pt
        out[2], out[3] = seq >> 8, seq & 0xFF
        out[4], out[5], out[6], out[7] = ts >> 24, (ts >> 16) & 0xFF, (ts >> 8) & 0xFF, ts & 0xFF
        out[8], out[9] = port.out_ssrc >> 24, (port.out_ssrc >> 16) & 0xFF
        out[10], out[11] = (port.out_ssrc >> 8) & 0xFF, port.out_ssrc & 0xFF
        if pt == source.audio_pt and source.codec == CODEC_PCMA and port.codec == CODEC_PCMU:
            for i in range(length):
                out[HEADER_BYTES + i] = ULAW_OF_ALAW[p[header + i]]
        elif pt == source.audio_pt and source.codec == CODEC_PCMU and port.codec == CODEC_PCMA:
            for i in range(length):
                out[HEADER_BYTES + i] = ALAW_OF_ULAW[p[header + i]]
        else:
            memcpy(out + HEADER_BYTES, p + header, length)
        if pbx_send(port.rtp_fd, out, HEADER_BYTES + length, &port.remote) < 0:
            port.send_errors += 1
            return
        port.packets_out += 1
        if <uint16_t>(seq - port.out_seq) < 0x8000:
            port.out_seq, port.out_ts, port.out_ns = seq, ts, now

    cdef void _scan(self, int64_t now) noexcept nogil:
        """Tell of ports that hear nothing although they should."""
        cdef int i, state
        cdef Port *port
        for i in range(self.capacity):
            port = &self.ports[i]
            if not port.open or not port.has_remote or not port.receive_on or port.media_state != M_BACK:
                continue
            if now - port.last_in_ns < SILENCE_NS:
                continue
            state = M_STOPPED if port.packets_in else (M_WRONG_SOURCE if port.wrong_source else M_NEVER_CAME)
            port.media_state = state
            self._notify(N_MEDIA, i, port, 0, state)


cdef int64_t _lost(Port *port) noexcept nogil:
    """Packets expected and not received (RFC 3550 A.3), over all streams of the port."""
    if not port.has_in:
        return port.lost
    return port.lost + <int64_t>(port.max_seq_ext - port.base_seq) + 1 - port.received
