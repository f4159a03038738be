# cython: language_level=3
"""The seam between the engine and the network.

Above it nobody knows what a socket is: datagrams go out by `send_rtp` and `send_rtcp`, come in by `packet` (receive) and
`control` (rtcp) with their index and source, and a port's sockets are attached when it opens or arrives, detached when it
moves to another thread, shut when it closes. Below it lies the portable backend: two sockets a port, a third one
connected to the peer, read at moments of their own or as epoll tells (moments). Another backend, such as one socket for
the whole range that is read many datagrams at a time, takes the place of this module and of moments.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from pbx.native.core cimport Core, Port
from pbx.native.moments cimport W_ALL, W_RTCP, let_go, unsettle
from pbx.native.udp cimport close, pbx_now_ns, pbx_send, pbx_send_fast, pbx_unwatch, pbx_watch


cdef void attach(Core *core, int index) noexcept nogil:
    """Hear what comes to the port's sockets from now on, and what waits in them."""
    cdef Port *port = &core.ports[index]
    pbx_watch(core.epoll, port.rtp_fd, <uint64_t>index << 2 | W_ALL)
    pbx_watch(core.epoll, port.rtcp_fd, <uint64_t>index << 2 | W_RTCP)


cdef void detach(Core *core, int index) noexcept nogil:
    """Leave the sockets to another thread; what comes meanwhile waits in them."""
    cdef Port *port = &core.ports[index]
    let_go(core, index, pbx_now_ns())
    pbx_unwatch(core.epoll, port.rtp_fd)
    pbx_unwatch(core.epoll, port.rtcp_fd)


cdef void shut(Core *core, int index) noexcept nogil:
    """Close the port's sockets, which leave epoll by themselves."""
    cdef Port *port = &core.ports[index]
    unsettle(core, index)
    close(port.rtp_fd)
    close(port.rtcp_fd)


cdef bint send_rtp(Core *core, Port *port, const uint8_t *data, int size) noexcept nogil:
    """Send to the port's peer; False where the kernel refuses."""
    if port.fast_fd >= 0:
        return pbx_send_fast(port.fast_fd, data, size) >= 0
    return pbx_send(port.rtp_fd, data, size, &port.remote) >= 0


cdef bint send_rtcp(Core *core, Port *port, const uint8_t *data, int size) noexcept nogil:
    """Send a report, beside RTP or on its port."""
    if port.control_mux:
        return pbx_send(port.rtp_fd, data, size, &port.remote) >= 0
    return pbx_send(port.rtcp_fd, data, size, &port.control_to) >= 0
