"""When each leg's socket is read: at the moment that its packets are known to come, or when epoll tells."""

from libc.stdint cimport int64_t, uint32_t

from pbx.native.core cimport Core, Port

cdef enum:
    W_ALL = 0, W_RTCP, W_PEER   # the socket of a port that epoll tells of: index << 2 | one of these

cdef void settle(Core *core, uint32_t index) noexcept nogil
cdef void unsettle(Core *core, uint32_t index) noexcept nogil
cdef void let_go(Core *core, uint32_t index, int64_t now) noexcept nogil
cdef void moment(Core *core, int64_t now_ms, int64_t now) noexcept nogil
cdef void readable(Core *core, uint32_t index, int which, int64_t now) noexcept nogil
