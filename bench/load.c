/* The phones of the media benchmarks: many sockets, a stamped packet from each every 20 ms, and what comes back.
 *
 *   load bound COUNT            CPU-µs of one send and one receive of a packet through one hot pair of sockets
 *   load run LEGS SECONDS PT [MODE]   be LEGS phones; first line out: their ports; first line in: where each sends
 *
 * A packet carries its number and the instant of its sending; the kernel stamps its arrival, so that this program's own
 * lateness is in no figure; the first second counts for loss, not for delay. MODE packet (default) reads the stamps where they stand; sound finds them by a mark, wherever
 * re-framing put them (G.711 codes survive decoding and encoding by the same law); count reads none (another codec);
 * listen sends nothing. It shares no code with what it measures.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD 160
#define TICK_NS 20000000LL
#define BINS 100000                     /* of 10 µs: up to a second */
#define BATCH 4

enum mode { PACKET, SOUND, COUNT, LISTEN };

struct phone {
    int fd, started;
    uint32_t ssrc, highest, base;
    uint64_t got;
    int64_t last_ns;
    uint8_t before[PAYLOAD];            /* the payload that came before this one */
    int has_before;
};

static int64_t settled_ns;               /* delays count from here on: the first second is setting up */
static uint64_t delays[BINS], gaps[BINS], sent, received, reordered, duplicated, stamps, foreign;
static const uint8_t MARK[4] = {0x91, 0x1A, 0x92, 0x1B};

static int64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void count_in(uint64_t *bins, int64_t ns, int64_t at_ns) {
    int64_t bin = ns / 10000;
    if (at_ns < settled_ns) return;
    bins[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
}

static double quantile_ms(const uint64_t *bins, double q) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BINS; i++) total += bins[i];
    for (int i = 0; i < BINS; i++)
        if ((seen += bins[i]) >= q * total && seen) return (i + 1) / 100.0;
    return 0;
}

static int pair_socket(struct sockaddr_in *name) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t size = sizeof *name;
    memset(name, 0, sizeof *name);
    name->sin_family = AF_INET;
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)name, size) || getsockname(fd, (struct sockaddr *)name, &size)) {
        perror("socket");
        exit(1);
    }
    return fd;
}

static int bound(long count) {
    struct sockaddr_in a, b;
    int one = pair_socket(&a), other = pair_socket(&b);
    uint8_t packet[12 + PAYLOAD] = {0x80}, in[2048];
    int64_t began, spent;
    if (connect(one, (struct sockaddr *)&b, sizeof b) || connect(other, (struct sockaddr *)&a, sizeof a)) return 1;
    began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < count; i++)
        if (send(one, packet, sizeof packet, 0) < 0 || recv(other, in, sizeof in, 0) < 0) return 1;
    spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
    printf("%.3f\n", spent / 1000.0 / count);
    return 0;
}

static void put_stamp(uint8_t *payload, int64_t ns, enum mode mode) {
    memset(payload, 0xD5, PAYLOAD);
    if (mode == SOUND) {                /* a mark, and sixteen codes of four bits each */
        memcpy(payload, MARK, 4);
        for (int i = 0; i < 16; i++) payload[4 + i] = 0x90 | ((ns >> (4 * i)) & 15);
    } else
        memcpy(payload, &ns, 8);
}

static void find_stamp(struct phone *p, const uint8_t *payload, int64_t at_ns) {
    uint8_t both[2 * PAYLOAD];
    int begin = p->has_before ? PAYLOAD - 19 : PAYLOAD;
    const uint8_t *at = both + begin, *last = both + 2 * PAYLOAD - 20;
    memcpy(both, p->before, PAYLOAD);
    memcpy(both + PAYLOAD, payload, PAYLOAD);
    for (; at <= last && (at = memchr(at, MARK[0], last - at + 1)); at++)
        if (!memcmp(at, MARK, 4)) {
            int64_t ns = 0;
            for (int k = 0; k < 16; k++) ns |= (int64_t)(at[4 + k] & 15) << (4 * k);
            if ((uint64_t)at_ns - (uint64_t)ns < 2000000000) { /* what concealment made of a stamp may be anything */
                stamps++;
                count_in(delays, at_ns - ns, at_ns);
            }
            break;
        }
    memcpy(p->before, payload, PAYLOAD);
    p->has_before = 1;
}

static void take(struct phone *p, const uint8_t *data, long size, int64_t at_ns, enum mode mode) {
    uint32_t seq, ssrc;
    int16_t ahead;
    if (size < 12 || data[0] >> 6 != 2 || ((data[1] & 0x7F) >= 72 && (data[1] & 0x7F) <= 76)) { /* RTCP */
        foreign++;
        return;
    }
    seq = data[2] << 8 | data[3];
    memcpy(&ssrc, data + 8, 4);
    received++;
    if (!p->started || ssrc != p->ssrc) {
        p->started = 1;
        p->ssrc = ssrc;
        p->base = p->highest = seq;
    } else {
        ahead = (int16_t)(seq - p->highest);
        if (ahead == 0) duplicated++;
        else if (ahead < 0) reordered++;
        else p->highest += ahead;
        if (p->last_ns) count_in(gaps, llabs(at_ns - p->last_ns - TICK_NS), at_ns);
    }
    p->last_ns = at_ns;
    p->got++;
    if (mode == PACKET && size == 12 + PAYLOAD) {
        int64_t ns;
        memcpy(&ns, data + 12, 8);
        stamps++;
        count_in(delays, at_ns - ns, at_ns);
    } else if (mode == SOUND && size == 12 + PAYLOAD)
        find_stamp(p, data + 12, at_ns);
}

static void read_all(struct phone *p, enum mode mode) {
    static uint8_t buffers[BATCH][2048];
    static char controls[BATCH][64];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int n;
    do {
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){buffers[i], sizeof buffers[i]};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
            messages[i].msg_hdr.msg_control = controls[i];
            messages[i].msg_hdr.msg_controllen = sizeof controls[i];
        }
        n = recvmmsg(p->fd, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            int64_t at = clock_ns(CLOCK_REALTIME);
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&messages[i].msg_hdr); c; c = CMSG_NXTHDR(&messages[i].msg_hdr, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
                    struct timespec t;
                    memcpy(&t, CMSG_DATA(c), sizeof t);
                    at = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
                }
            take(p, buffers[i], messages[i].msg_len, at, mode);
        }
    } while (n == BATCH);
}

static void greet(struct phone *phones, long legs) {
    struct sockaddr_in name;
    struct rlimit files;
    int yes = 1;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (long i = 0; i < legs; i++) {
        phones[i].fd = pair_socket(&name);
        setsockopt(phones[i].fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
        printf("%d%c", ntohs(name.sin_port), i + 1 < legs ? ' ' : '\n');
    }
    fflush(stdout);
    for (long i = 0; i < legs; i++) {
        int port;
        if (scanf("%d", &port) != 1) exit(1);
        name.sin_port = htons(port);
        if (connect(phones[i].fd, (struct sockaddr *)&name, sizeof name)) exit(1);
    }
}

static void send_one(struct phone *p, long leg, uint64_t seq, int pt, enum mode mode) {
    uint8_t packet[12 + PAYLOAD];
    uint32_t ts = htonl((uint32_t)(seq * PAYLOAD)), ssrc = htonl(leg + 1);
    packet[0] = 0x80;
    packet[1] = pt;
    packet[2] = seq >> 8;
    packet[3] = seq;
    memcpy(packet + 4, &ts, 4);
    memcpy(packet + 8, &ssrc, 4);
    put_stamp(packet + 12, clock_ns(CLOCK_REALTIME), mode);
    if (send(p->fd, packet, sizeof packet, 0) == sizeof packet) sent++;
}

static int run(long legs, double seconds, int pt, enum mode mode) {
    struct phone *phones = calloc(legs, sizeof *phones);
    long *order = calloc(legs, sizeof *order);
    uint64_t step = 0, total = (uint64_t)(seconds * 50 * legs), expected = 0;
    int64_t began, now, spent, worst = 0;
    if (!phones || !order) return 1;
    greet(phones, legs);
    srandom(1);
    for (long i = 0; i < legs; i++) order[i] = i;
    for (long i = legs - 1; i > 0; i--) {
        long other = random() % (i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 5}); /* where it is permitted */
    settled_ns = clock_ns(CLOCK_REALTIME) + 1000000000;
    began = clock_ns(CLOCK_MONOTONIC);
    while (step < total) {
        now = clock_ns(CLOCK_MONOTONIC);
        while (step < total && began + (int64_t)(step * (TICK_NS / (double)legs)) <= now) {
            struct phone *p = &phones[order[step % legs]];
            int64_t late = now - began - (int64_t)(step * (TICK_NS / (double)legs));
            if (late > worst) worst = late;
            read_all(p, mode);
            if (mode != LISTEN) send_one(p, order[step % legs], step / legs, pt, mode);
            step++;
        }
        struct timespec nap = {0, 200000};
        nanosleep(&nap, NULL);
    }
    usleep(300000);
    for (long i = 0; i < legs; i++) {
        read_all(&phones[i], mode);
        if (phones[i].started) expected += (uint32_t)(phones[i].highest - phones[i].base) + 1;
    }
    spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    printf("{\"sent\": %lu, \"received\": %lu, \"expected\": %lu, \"reordered\": %lu, \"duplicated\": %lu, "
           "\"foreign\": %lu, \"stamps\": %lu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, "
           "\"gap_p999_ms\": %.2f, \"generator_late_ms\": %.1f, \"generator_cpu_s\": %.2f}\n",
           sent, received, expected, reordered, duplicated, foreign, stamps, quantile_ms(delays, 0.5),
           quantile_ms(delays, 0.99), quantile_ms(delays, 0.999), quantile_ms(gaps, 0.999), worst / 1e6, spent / 1e9);
    return 0;
}

int main(int argc, char **argv) {
    const char *names[] = {"packet", "sound", "count", "listen"};
    int mode = PACKET;
    if (argc == 3 && !strcmp(argv[1], "bound")) return bound(atol(argv[2]));
    if (argc < 5 || strcmp(argv[1], "run")) return 2;
    for (int i = 0; argc > 5 && i < 4; i++)
        if (!strcmp(argv[5], names[i])) mode = i;
    return run(atol(argv[2]), atof(argv[3]), atoi(argv[4]), mode);
}
