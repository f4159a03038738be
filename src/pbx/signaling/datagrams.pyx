"""Takes what waits in a UDP socket with one system call, and knows each sender's flow.

For every datagram ``recvfrom`` makes 64 KB of memory, the text of an address, and when nothing is left an exception:
together more than it costs to read the message.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, errno
from libc.stdlib cimport calloc, free

from pbx.sip.message import Flow

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <arpa/inet.h>
    #include <netdb.h>
    #include <netinet/in.h>
    #include <sys/socket.h>

    #define PBX_AT_ONCE 32
    #define PBX_MOST_BYTES 65535
    typedef struct {
        struct mmsghdr heads[PBX_AT_ONCE];
        struct iovec pieces[PBX_AT_ONCE];
        struct sockaddr_storage senders[PBX_AT_ONCE];
        char data[PBX_AT_ONCE][PBX_MOST_BYTES];   /* pages that no datagram has reached yet cost nothing */
    } pbx_inbox;

    static int pbx_inbox_read(pbx_inbox *box, int fd) {
        for (int i = 0; i < PBX_AT_ONCE; i++) {
            box->pieces[i].iov_base = box->data[i];
            box->pieces[i].iov_len = PBX_MOST_BYTES;
            struct msghdr *head = &box->heads[i].msg_hdr;
            head->msg_iov = &box->pieces[i]; head->msg_iovlen = 1;
            head->msg_name = &box->senders[i]; head->msg_namelen = sizeof box->senders[i];
            head->msg_control = 0; head->msg_controllen = 0; head->msg_flags = 0;
        }
        return recvmmsg(fd, box->heads, PBX_AT_ONCE, MSG_DONTWAIT, 0);
    }
    static int pbx_inbox_length(pbx_inbox *box, int i) { return (int)box->heads[i].msg_len; }
    static char *pbx_inbox_data(pbx_inbox *box, int i) { return box->data[i]; }
    static char *pbx_inbox_sender(pbx_inbox *box, int i) { return (char *)&box->senders[i]; }
    static int pbx_inbox_sender_length(pbx_inbox *box, int i) { return (int)box->heads[i].msg_hdr.msg_namelen; }
    static int pbx_inbox_port(pbx_inbox *box, int i) {
        struct sockaddr_storage *s = &box->senders[i];
        return ntohs(s->ss_family == AF_INET6 ? ((struct sockaddr_in6 *)s)->sin6_port
                                              : ((struct sockaddr_in *)s)->sin_port);
    }
    static int pbx_inbox_host(pbx_inbox *box, int i, char *host, int size) {
        return getnameinfo((struct sockaddr *)&box->senders[i], box->heads[i].msg_hdr.msg_namelen, host,
                           (socklen_t)size, 0, 0, NI_NUMERICHOST);
    }
    """
    ctypedef struct pbx_inbox:
        pass
    int pbx_inbox_read(pbx_inbox *box, int fd) nogil
    int pbx_inbox_length(pbx_inbox *box, int i)
    char *pbx_inbox_data(pbx_inbox *box, int i)
    char *pbx_inbox_sender(pbx_inbox *box, int i)
    int pbx_inbox_sender_length(pbx_inbox *box, int i)
    int pbx_inbox_port(pbx_inbox *box, int i)
    int pbx_inbox_host(pbx_inbox *box, int i, char *host, int size)

MOST_KNOWN = 20_000  # senders whose flow is kept
ERRORS = 64  # of earlier sends, reported by ICMP, that one reading takes


cdef class Inbox:
    """What waits in one socket; *local* is the address that it is bound to."""

    cdef pbx_inbox *box
    cdef int file
    cdef object local
    cdef dict flows

    def __cinit__(self, int file, tuple local):
        self.box = <pbx_inbox *>calloc(1, sizeof(pbx_inbox))
        if self.box == NULL:
            raise MemoryError
        self.file = file
        self.local = local
        self.flows = {}

    def __dealloc__(self):
        free(self.box)

    def take(self) -> list:
        """Return some datagrams with their flows, in order; none where none waits. More may be left."""
        cdef int count = -1, i, tries = ERRORS
        while count < 0 and tries > 0:
            count = pbx_inbox_read(self.box, self.file)
            if count < 0 and errno == EAGAIN:
                return []
            tries -= 1
        found = []
        for i in range(count):
            found.append((PyBytes_FromStringAndSize(pbx_inbox_data(self.box, i), pbx_inbox_length(self.box, i)),
                          self.flow_of(i)))
        return found

    cdef flow_of(self, int i):
        cdef bytes key = pbx_inbox_sender(self.box, i)[:pbx_inbox_sender_length(self.box, i)]
        cdef char host[256]
        flow = self.flows.get(key)
        if flow is None:
            pbx_inbox_host(self.box, i, host, 256)
            flow = Flow("udp", self.local, ((<bytes>host).decode(), pbx_inbox_port(self.box, i)))
            if len(self.flows) >= MOST_KNOWN:
                self.flows.clear()
            self.flows[key] = flow
        return flow
