"""A single-producer, single-consumer ring without locks: one side writes ``head``, the other ``tail``."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #define pbx_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define pbx_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define pbx_peek(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    """
    uint64_t pbx_load(uint64_t *p) noexcept nogil
    void pbx_store(uint64_t *p, uint64_t v) noexcept nogil
    uint64_t pbx_peek(uint64_t *p) noexcept nogil


cdef struct Command:            # 64 bytes, Python to engine
    uint16_t op
    uint16_t flags
    uint32_t port
    uint32_t generation
    uint32_t token
    int64_t args[6]


cdef struct Notice:             # 32 bytes, engine to Python
    uint16_t kind
    uint16_t flags
    uint32_t port
    uint32_t generation
    uint32_t token
    int64_t value
    int64_t at_ns               # CLOCK_MONOTONIC


cdef struct CommandRing:
    uint64_t head               # written by Python
    uint64_t pad0[7]
    uint64_t tail               # written by the engine
    uint64_t pad1[7]
    uint64_t mask
    Command *slots


cdef struct NoticeRing:
    uint64_t head               # written by the engine
    uint64_t pad0[7]
    uint64_t tail               # written by Python
    uint64_t pad1[7]
    uint64_t mask
    uint64_t dropped
    Notice *slots


cdef inline bint put_command(CommandRing *ring, Command *command) noexcept nogil:
    cdef uint64_t head = ring.head
    if head - pbx_load(&ring.tail) > ring.mask:
        return False
    ring.slots[head & ring.mask] = command[0]
    pbx_store(&ring.head, head + 1)
    return True


cdef inline bint take_command(CommandRing *ring, Command *command) noexcept nogil:
    cdef uint64_t tail = ring.tail
    if tail == pbx_load(&ring.head):
        return False
    command[0] = ring.slots[tail & ring.mask]
    pbx_store(&ring.tail, tail + 1)
    return True


cdef inline bint put_notice(NoticeRing *ring, Notice *notice) noexcept nogil:
    cdef uint64_t head = ring.head
    if head - pbx_load(&ring.tail) > ring.mask:
        ring.dropped += 1
        return False
    ring.slots[head & ring.mask] = notice[0]
    pbx_store(&ring.head, head + 1)
    return True


cdef inline bint take_notice(NoticeRing *ring, Notice *notice) noexcept nogil:
    cdef uint64_t tail = ring.tail
    if tail == pbx_load(&ring.head):
        return False
    notice[0] = ring.slots[tail & ring.mask]
    pbx_store(&ring.tail, tail + 1)
    return True
