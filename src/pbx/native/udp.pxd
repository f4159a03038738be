"""Datagram sockets, epoll, clock: the system calls of the engine, without the GIL."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <sched.h>
    #include <sys/prctl.h>
    #include <linux/sockios.h>
    #include <netinet/in.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/eventfd.h>
    #include <sys/ioctl.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>

    #define PBX_EVENTS 512
    typedef struct { struct sockaddr_storage storage; socklen_t length; } pbx_address;

    static inline void pbx_address_set(pbx_address *a, int family, const unsigned char *ip, uint16_t port) {
        memset(a, 0, sizeof *a);
        if (family == 6) {
            struct sockaddr_in6 *s = (struct sockaddr_in6 *)&a->storage;
            s->sin6_family = AF_INET6; s->sin6_port = htons(port); memcpy(&s->sin6_addr, ip, 16);
            a->length = sizeof *s;
        } else {
            struct sockaddr_in *s = (struct sockaddr_in *)&a->storage;
            s->sin_family = AF_INET; s->sin_port = htons(port); memcpy(&s->sin_addr, ip, 4);
            a->length = sizeof *s;
        }
    }
    static inline int pbx_address_equal(const pbx_address *a, const pbx_address *b) {
        if (a->storage.ss_family != b->storage.ss_family) return 0;
        if (a->storage.ss_family == AF_INET6) {
            const struct sockaddr_in6 *x = (const void *)&a->storage, *y = (const void *)&b->storage;
            return x->sin6_port == y->sin6_port && !memcmp(&x->sin6_addr, &y->sin6_addr, 16);
        }
        const struct sockaddr_in *x = (const void *)&a->storage, *y = (const void *)&b->storage;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    static inline int pbx_address_same_host(const pbx_address *a, const pbx_address *b) {
        if (a->storage.ss_family != b->storage.ss_family) return 0;
        if (a->storage.ss_family == AF_INET6)
            return !memcmp(&((const struct sockaddr_in6 *)&a->storage)->sin6_addr,
                           &((const struct sockaddr_in6 *)&b->storage)->sin6_addr, 16);
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr
            == ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
    }
    /* Seconds since 1900 in 32.32 bits (RFC 3550 4). */
    static inline uint64_t pbx_ntp(void) {
        struct timespec t; clock_gettime(CLOCK_REALTIME, &t);
        return ((uint64_t)t.tv_sec + 2208988800u) << 32 | (((uint64_t)t.tv_nsec << 32) / 1000000000u);
    }
    static inline uint16_t pbx_address_port(const pbx_address *a) {
        return a->storage.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a->storage)->sin6_port)
                                                : ntohs(((struct sockaddr_in *)&a->storage)->sin_port);
    }
    static inline int pbx_address_ip(const pbx_address *a, unsigned char *out) {
        if (a->storage.ss_family == AF_INET6) {
            memcpy(out, &((struct sockaddr_in6 *)&a->storage)->sin6_addr, 16); return 6;
        }
        memcpy(out, &((struct sockaddr_in *)&a->storage)->sin_addr, 4); return 4;
    }
    static inline long pbx_receive(int fd, unsigned char *buffer, size_t size, pbx_address *from) {
        from->length = sizeof from->storage;
        return recvfrom(fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from->storage, &from->length);
    }
    static inline long pbx_send(int fd, const unsigned char *buffer, size_t size, const pbx_address *to) {
        return sendto(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to->storage, to->length);
    }
    /* The same through a connected socket; the bare system call, since libc's is a cancellation point and pays for it. */
    static inline long pbx_receive_fast(int fd, unsigned char *buffer, size_t size) {
        return syscall(SYS_recvfrom, fd, buffer, size, MSG_DONTWAIT | MSG_TRUNC, NULL, NULL);
    }
    static inline long pbx_send_fast(int fd, const unsigned char *buffer, size_t size) {
        long n = syscall(SYS_sendto, fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
        /* An ICMP error of an earlier packet is told once, instead of sending this one. */
        if (n < 0 && errno == ECONNREFUSED)
            n = syscall(SYS_sendto, fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
        return n;
    }
    /* For how many whole ms the packet that was read last had waited (less a margin of 0.2), -1: unknown. */
    static inline int pbx_waited_ms(int fd) {
        struct timespec came, now;
        int64_t ns;
        if (ioctl(fd, SIOCGSTAMPNS_OLD, &came)) return -1;
        clock_gettime(CLOCK_REALTIME, &now);
        ns = (now.tv_sec - came.tv_sec) * 1000000000LL + now.tv_nsec - came.tv_nsec;
        if (ns < 0 || ns > 100000000) return -1;
        return ns < 200000 ? 0 : (int)((ns - 200000) / 1000000);
    }
    /* A second socket on the same port, connected to the peer; -1 where that cannot be had. */
    static inline int pbx_connected(int fd, const pbx_address *to) {
        struct sockaddr_storage here;
        socklen_t size = sizeof here;
        int made, yes = 1;
        if (getsockname(fd, (struct sockaddr *)&here, &size)) return -1;
        made = socket(here.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (made < 0) return -1;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)
            || setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)
            || bind(made, (struct sockaddr *)&here, size)
            || connect(made, (const struct sockaddr *)&to->storage, to->length)) {
            close(made);
            return -1;
        }
        return made;
    }
    static inline int64_t pbx_now_ns(void) {
        struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    static inline int64_t pbx_thread_cpu_ns(void) {
        struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    static inline int pbx_unwatch(int epoll, int fd) { return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }
    static inline int pbx_watch(int epoll, int fd, uint64_t data) {
        struct epoll_event e; e.events = EPOLLIN | EPOLLET; e.data.u64 = data;
        return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
    /* Wait until an instant, to the microsecond where the kernel can (epoll_pwait2, Linux 5.11). */
    static inline int pbx_wait_until(int epoll, uint64_t *data, int size, int64_t deadline_ns) {
        struct epoll_event events[PBX_EVENTS];
        int64_t left = deadline_ns - pbx_now_ns();
        struct timespec t = { 0, 0 };
        int i, n;
        if (left > 0) { t.tv_sec = left / 1000000000; t.tv_nsec = left % 1000000000; }
        if (size > PBX_EVENTS) size = PBX_EVENTS;
        n = epoll_pwait2(epoll, events, size, &t, NULL);
        if (n < 0 && errno == ENOSYS) n = epoll_wait(epoll, events, size, left > 0 ? (int)((left + 999999) / 1000000) : 0);
        for (i = 0; i < n; i++) data[i] = events[i].data.u64;
        return n;
    }
    static inline void pbx_sleep_until(int64_t deadline_ns) {
        struct timespec t = { deadline_ns / 1000000000, deadline_ns % 1000000000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    }
    /* A timer slack of 1 µs, and SCHED_FIFO where it is permitted; returns whether it is. */
    static inline int pbx_hasten(void) {
        struct sched_param p; memset(&p, 0, sizeof p); p.sched_priority = 10;
        prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
        return pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &p) == 0;
    }
    /* Keep this thread to one processor; returns whether that was possible. */
    static inline int pbx_pin(int cpu) {
        unsigned long mask[16]; memset(mask, 0, sizeof mask);
        if (cpu < 0 || cpu >= (int)(8 * sizeof mask)) return 0;
        mask[cpu / (8 * sizeof *mask)] = 1UL << cpu % (8 * sizeof *mask);
        return syscall(SYS_sched_setaffinity, 0, sizeof mask, mask) == 0;
    }
    static inline void pbx_signal(int fd) { uint64_t one = 1; ssize_t n = write(fd, &one, 8); (void)n; }
    static inline void pbx_unsignal(int fd) { uint64_t all; ssize_t n = read(fd, &all, 8); (void)n; }
    """
    ctypedef struct pbx_address:
        pass
    int epoll_create1(int flags) noexcept nogil
    int eventfd(unsigned int value, int flags) noexcept nogil
    int close(int fd) noexcept nogil
    int EFD_NONBLOCK, EFD_CLOEXEC, EPOLL_CLOEXEC
    void pbx_address_set(pbx_address *a, int family, const uint8_t *ip, uint16_t port) noexcept nogil
    bint pbx_address_equal(const pbx_address *a, const pbx_address *b) noexcept nogil
    bint pbx_address_same_host(const pbx_address *a, const pbx_address *b) noexcept nogil
    uint64_t pbx_ntp() noexcept nogil
    uint16_t pbx_address_port(const pbx_address *a) noexcept nogil
    int pbx_address_ip(const pbx_address *a, uint8_t *out) noexcept nogil
    long pbx_receive(int fd, uint8_t *buffer, size_t size, pbx_address *source) noexcept nogil
    long pbx_send(int fd, const uint8_t *buffer, size_t size, const pbx_address *to) noexcept nogil
    int64_t pbx_now_ns() noexcept nogil
    int64_t pbx_thread_cpu_ns() noexcept nogil
    long pbx_receive_fast(int fd, uint8_t *buffer, size_t size) noexcept nogil
    long pbx_send_fast(int fd, const uint8_t *buffer, size_t size) noexcept nogil
    int pbx_waited_ms(int fd) noexcept nogil
    int pbx_connected(int fd, const pbx_address *to) noexcept nogil
    int pbx_unwatch(int epoll, int fd) noexcept nogil
    int pbx_watch(int epoll, int fd, uint64_t data) noexcept nogil
    int pbx_wait_until(int epoll, uint64_t *data, int size, int64_t deadline_ns) noexcept nogil
    void pbx_sleep_until(int64_t deadline_ns) noexcept nogil
    int pbx_hasten() noexcept nogil
    bint pbx_pin(int cpu) noexcept nogil
    void pbx_signal(int fd) noexcept nogil
    void pbx_unsignal(int fd) noexcept nogil
