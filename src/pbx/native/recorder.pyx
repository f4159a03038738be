# cython: language_level=3
"""Recordings: the engine puts frames into a ring, one thread without the GIL writes them to disk.

The header is brought up to date with every write, so that a file is playable at any instant, also after a crash.
"""

from libc.errno cimport ENOSPC, errno
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from pbx.native.ear cimport CODEC_PCMA, CODEC_PCMU
from pbx.native.g711 cimport LAW_A, LAW_U, g711_encode
from pbx.native.ring cimport pbx_load, pbx_store
from pbx.native.udp cimport EFD_CLOEXEC, EFD_NONBLOCK, close, eventfd, pbx_signal, pbx_unsignal

cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int fd, const void *buffer, size_t count, int64_t offset)

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long count, int timeout)
    int POLLIN

cdef enum:
    PCM_HEADER = 44
    G711_HEADER = 58            # with the length in samples, which the format asks of everything but PCM
    PIECE = 4096                # samples encoded and written at a time
    RING_MS = 4000
    FLUSH_MS = 200
    QUIET = 327                 # mean amplitude below which a frame is silence: −40 dB
    GAP_MS = 10000              # a longer gap of the engine's clock is not filled
    D_STOPPED = 1, D_SILENCE = 3, D_LIMIT = 4


cdef void _put(Recording *r, const int16_t *left, const int16_t *right, int count) noexcept nogil:
    """Append samples, silence where *left* is NULL; what does not fit is owed as silence, so that time stays true."""
    cdef uint64_t head = r.head, room = r.size - (head - pbx_load(&r.tail))
    cdef int i, channels = r.channels
    cdef uint64_t mask = r.size - 1
    if room < <uint64_t>(count * channels):
        r.owed += count
        r.dropped += count
        return
    for i in range(count):
        r.ring[head & mask] = left[i] if left != NULL else 0
        head += 1
        if channels == 2:
            r.ring[head & mask] = right[i] if right != NULL else 0
            head += 1
    pbx_store(&r.head, head)


cdef void _settle(Recording *r) noexcept nogil:
    """Write the silence that is owed, as far as it fits."""
    cdef int piece, turns = 0
    cdef int64_t before
    while r.owed > 0 and turns < 64:
        piece = <int>min(r.owed, <int64_t>320)
        before = r.dropped
        r.owed -= piece
        _put(r, NULL, NULL, piece)
        if r.dropped != before:
            r.dropped = before
            return
        turns += 1


cdef bint record_frame(Recording *r, int64_t now_ms, const int16_t *left, const int16_t *right,
                       int frame) noexcept nogil:
    """Append the 20 ms that end at *now_ms*; False when the recording came to its end by silence or limit."""
    cdef int64_t gap
    cdef int i, level = 0
    if r.next_ms:
        gap = now_ms - 20 - r.next_ms
        if gap < 0:
            return True
        if gap < GAP_MS and not r.paused:
            r.owed += gap * r.rate_hz // 1000
    r.next_ms = now_ms
    if r.paused:
        return True
    _settle(r)
    if r.owed:
        r.owed += frame
        r.dropped += frame
    else:
        _put(r, left, right, frame)
    r.frames_ms += 20
    if r.silence_limit_ms:
        for i in range(frame):
            level += left[i] if left[i] >= 0 else -left[i]
        r.silent_ms = 0 if level > QUIET * frame else r.silent_ms + 20
        if r.silent_ms >= r.silence_limit_ms:
            end_recording(r, D_SILENCE)
            return False
    if r.limit_ms and r.frames_ms >= r.limit_ms:
        end_recording(r, D_LIMIT)
        return False
    return True


cdef void end_recording(Recording *r, int outcome) noexcept nogil:
    """Hand the recording over to the writer for good."""
    if pbx_load(&r.state) == R_LIVE:
        r.outcome = outcome
        pbx_store(&r.state, R_ENDED)


cdef inline void _little(uint8_t *out, uint64_t value, int octets) noexcept nogil:
    cdef int i
    for i in range(octets):
        out[i] = (value >> (8 * i)) & 0xFF


cdef inline int _width(Recording *r) noexcept nogil:
    return 1 if r.coding else 2


cdef inline int _header_bytes(Recording *r) noexcept nogil:
    return G711_HEADER if r.coding else PCM_HEADER


cdef void _header(Recording *r) noexcept nogil:
    """Write a header that is true for what the file holds now."""
    cdef uint8_t head[G711_HEADER]
    cdef int size = _header_bytes(r), block = r.channels * _width(r)
    memset(head, 0, sizeof(head))
    memcpy(head, <const char *>b"RIFF\0\0\0\0WAVEfmt ", 16)
    _little(head + 4, <uint64_t>r.octets + size - 8, 4)
    _little(head + 16, 18 if r.coding else 16, 4)
    _little(head + 20, 7 if r.coding == CODEC_PCMU else 6 if r.coding == CODEC_PCMA else 1, 2)
    _little(head + 22, r.channels, 2)
    _little(head + 24, r.rate_hz, 4)
    _little(head + 28, r.rate_hz * block, 4)
    _little(head + 32, block, 2)
    _little(head + 34, 8 * _width(r), 2)
    if r.coding:
        memcpy(head + 38, <const char *>b"fact", 4)
        _little(head + 42, 4, 4)
        _little(head + 46, <uint64_t>r.octets // block, 4)
    memcpy(head + size - 8, <const char *>b"data", 4)
    _little(head + size - 4, <uint64_t>r.octets, 4)
    if pwrite(r.fd, head, size, 0) != size and not r.failed:
        r.failed = errno


cdef bint _write(Recording *r, const int16_t *samples, int count) noexcept nogil:
    """Append samples to the file."""
    cdef uint8_t codes[PIECE]
    cdef const void *data = samples
    cdef ssize_t size = count * _width(r)
    if r.coding:
        g711_encode(LAW_U if r.coding == CODEC_PCMU else LAW_A, samples, codes, count)
        data = codes
    if pwrite(r.fd, data, size, _header_bytes(r) + r.octets) != size:
        r.failed = errno or ENOSPC
        return False
    r.octets += size
    return True


cdef void _flush(Recording *r) noexcept nogil:
    """Write what the ring holds; after a failure it is thrown away, and the call goes on."""
    cdef uint64_t head = pbx_load(&r.head), tail = r.tail, piece
    if head == tail:
        return
    while tail != head:
        piece = min(min(head - tail, r.size - (tail & (r.size - 1))), <uint64_t>PIECE)
        if not r.failed:
            _write(r, r.ring + (tail & (r.size - 1)), <int>piece)
        tail += piece
        pbx_store(&r.tail, tail)
    if not r.failed:
        _header(r)


cdef class Writer:
    """All recordings' way to disk. Run :meth:`run` in a thread; the rest belongs to the event loop's thread."""

    cdef Recording *slots[MAX_RECORDINGS]
    cdef int used               # slots that were ever taken
    cdef readonly int event_fd  # readable when a recording is written
    cdef int wake
    cdef uint64_t running

    def __cinit__(self):
        self.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.event_fd < 0 or self.wake < 0:
            raise OSError("no file handle left for the recorder")
        self.running = 1

    def __dealloc__(self):
        cdef int i
        for i in range(self.used):
            if self.slots[i] != NULL:
                free(self.slots[i].ring)
                free(self.slots[i])
        close(self.event_fd)
        close(self.wake)

    def open(self, int fd, int rate_hz, int channels, uint32_t port, uint32_t generation, uint32_t token,
             int64_t silence_ms, int64_t limit_ms, int coding=0) -> int:
        """Begin a recording into an open file, which is the writer's from now on; returns its address for the engine.

        *coding* is CODEC_PCMU or CODEC_PCMA for G.711 in WAV.

        :raises BufferError: when there are too many.
        """
        cdef int i, free_slot = -1
        cdef Recording *r
        for i in range(self.used):
            if pbx_load(&self.slots[i].state) == R_FREE:
                free_slot = i
                break
        if free_slot < 0:
            if self.used >= MAX_RECORDINGS:
                raise BufferError("too many recordings at once")
            free_slot = self.used
            r = <Recording *>calloc(1, sizeof(Recording))
            if r == NULL:
                raise MemoryError
            self.slots[free_slot] = r
            pbx_store(<uint64_t *>&r.state, R_FREE)
        r = self.slots[free_slot]
        free(r.ring)
        memset(r, 0, sizeof(Recording))
        r.size = 1
        while r.size < <uint64_t>(rate_hz * channels * RING_MS // 1000):
            r.size *= 2
        r.ring = <int16_t *>calloc(r.size, sizeof(int16_t))
        if r.ring == NULL:
            raise MemoryError
        r.fd, r.rate_hz, r.channels, r.port, r.generation, r.token = fd, rate_hz, channels, port, generation, token
        r.silence_limit_ms, r.limit_ms, r.coding = silence_ms, limit_ms, coding
        _header(r)
        pbx_store(&r.state, R_LIVE)
        if free_slot == self.used:
            self.used += 1
        return <uintptr_t>r

    def feed(self, uintptr_t address, int64_t now_ms, const int16_t[::1] left, const int16_t[::1] right) -> None:
        """Record 20 ms in the place of an engine and write them out, for tests in virtual time."""
        if len(left) != len(right):
            raise ValueError("both sides are as long")
        record_frame(<Recording *>address, now_ms, &left[0], &right[0], <int>len(left))
        if now_ms % 1000 < 20:
            self._round()

    def end(self, uintptr_t address) -> None:
        """End a recording that no engine has, for tests."""
        end_recording(<Recording *>address, D_STOPPED)
        self._round()

    def written(self) -> list:
        """Return the recordings that ended and are whole on disk: (port, generation, token, outcome, errno, ms)."""
        cdef int i
        cdef Recording *r
        pbx_unsignal(self.event_fd)
        found = []
        for i in range(self.used):
            r = self.slots[i]
            if pbx_load(&r.state) == R_WRITTEN:
                found.append((r.port, r.generation, r.token, r.outcome, r.failed, r.frames_ms))
                pbx_store(&r.state, R_FREE)
        return found

    def run(self) -> None:
        """Write until :meth:`stop`, and then once more."""
        with nogil:
            self._run()

    def stop(self) -> None:
        pbx_store(&self.running, 0)
        pbx_signal(self.wake)

    cdef void _run(self) noexcept nogil:
        cdef pollfd waiting
        while pbx_load(&self.running):
            waiting.fd, waiting.events = self.wake, POLLIN
            poll(&waiting, 1, FLUSH_MS)
            self._round()
        self._round()

    cdef void _round(self) noexcept nogil:
        cdef int i
        cdef uint64_t state
        cdef Recording *r
        for i in range(self.used):
            r = self.slots[i]
            state = pbx_load(&r.state)
            if state == R_LIVE or state == R_ENDED:
                _flush(r)
            if state == R_ENDED:
                close(r.fd)
                pbx_store(&r.state, R_WRITTEN)
                pbx_signal(self.event_fd)
