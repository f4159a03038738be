"""The engine's state: ports, rooms, the wheel of playout instants, and the rings to Python."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pbx.native.dtmf cimport Keypad
from pbx.native.ear cimport Ear
from pbx.native.recorder cimport Recording
from pbx.native.ring cimport CommandRing, NoticeRing
from pbx.native.udp cimport pbx_address
from pbx.native.voice cimport Mouth

cdef enum:
    MAX_LISTENERS = 16          # edges from one port, and to one port
    MAX_ROOMS = 2048
    MAX_MEMBERS = 1000
    PACKET_BYTES = 2048
    HEADER_BYTES = 12
    WHEEL = 20                  # ms: one turn is one frame
    NO_EVENTS = -1
    OTHER_WAY = -2
    DIGIT_MS = 100              # a digit that is made anew
    PIN_PACKETS = 4             # valid packets from one source before it is pinned

# Notices, engine to Python.
cdef enum:
    N_RELEASED = 1, N_DIGIT, N_MEDIA, N_DONE, N_PARTED

# What N_MEDIA says.
cdef enum:
    M_BACK = 0, M_NEVER_CAME, M_STOPPED, M_WRONG_SOURCE, M_UNDECRYPTABLE

# How what N_DONE tells of came to its end.
cdef enum:
    D_ENDED = 0, D_STOPPED, D_FAILED, D_SILENCE, D_LIMIT


cdef struct Port:
    # what every packet in touches, first: a few cache lines
    uint32_t generation
    int open
    int rtp_fd                  # hears everybody
    int fast_fd                 # connected: hears the peer alone; -1 until the peer is known
    int receive_on              # we want what the peer sends
    int audio_pt                # what the peer sends and wants
    int events_pt               # NO_EVENTS: digits are sound, OTHER_WAY: they go by signalling
    int events_clock            # units of a digit's length in a millisecond: 8, or 48 beside Opus
    int codec
    int in_ms                   # length of the peer's packets, 0 until known
    int pinned                  # valid packets from `remote` so far
    int media_state             # M_*
    int heard                   # somebody wants what the peer says as sound
    int listener_count
    int has_in
    uint32_t in_ssrc
    uint16_t in_seq             # the newest
    uint16_t in_seq_of_packet   # of the packet in hand
    uint32_t in_ts_of_packet    # in eighths of a millisecond, whatever the codec's clock
    uint32_t in_clock           # the codec's own, of the last packet
    int64_t in_clock_ext
    int moved                   # the peer sends from elsewhere now
    int steady                  # packets in a row that came when they were expected
    int read_slot               # of the wheel of reading moments, -1: read when epoll tells
    int next_to_read
    int previous_to_read
    int16_t read_again          # moments in a row at which nothing had come
    int16_t read_hits           # turns since the moment was last moved
    int16_t read_hold           # turns until an earlier moment is looked for
    int16_t read_waited         # ms that a packet had lain there at the turn before, -1: unknown
    int16_t unverified          # what waits on fast_fd may be older than its connection
    int64_t packets_in
    int64_t last_in_ns
    int64_t transit
    double jitter               # RFC 3550 6.4.1, in time stamp units
    uint32_t max_seq_ext
    uint32_t base_seq
    int64_t received
    int64_t foreign             # from a wrong source since the peer was last heard
    int64_t garbled             # with a wrong tag since the peer was last heard
    void *keys_in               # SRTP context of what the peer sends, NULL: plain
    # what every packet out touches
    int send_on                 # our side may send (direction)
    int has_remote
    int relaying                # packets of the only source go out as they come
    int mapped
    uint32_t map_ssrc           # the source stream that the mapping below is for
    uint32_t ts_shift
    uint32_t out_ssrc
    uint32_t out_ts
    uint16_t seq_shift
    uint16_t out_seq            # last sent
    int64_t out_ns
    void *keys_out
    int64_t packets_out
    int64_t octets_out
    # what a tick touches
    int ptime_ms                # what the peer wants in a packet
    int slot                    # of the wheel, -1: not on it
    int next_in_slot
    int previous_in_slot
    int64_t ticked_ms           # last worked off
    int speaks                  # we make the packets, tick by tick
    int dirty                   # to be planned anew after this tick
    Ear *ear                    # NULL until somebody needs sound
    Mouth *mouth
    Recording *recording
    Keypad *keypad              # NULL until the peer's digits are to be found in its sound
    int inband                  # they are
    int tone_on                 # one sounds now
    # the rest
    int rtcp_fd
    int last_in_ms              # of the last one: two alike count
    int consume                 # digits are not for those who hear this port
    int listeners[MAX_LISTENERS]
    int sources[MAX_LISTENERS]
    int source_count
    int room                    # -1: none
    int muted
    int taps                    # recordings that want what the peer says
    int wide_taps               # those of them at 16 kHz
    int recorded_other          # port on the right-hand channel, -1: none
    uint32_t recorded_generation
    uint32_t digits_told[4]     # time stamps of the last digits reported
    int digits_seen             # how many in all
    int64_t digit_told_ns       # when a packet of one of those was last seen
    uint32_t digit_begun_ts     # of the last digit handed on
    int digit_open              # seen, and its end not yet
    uint8_t digit_event
    uint16_t digit_duration
    int64_t digit_at_ns
    int64_t presses_from_ns      # begin of the second in which the next counts
    int presses
    int digit_refused           # the one that is open
    int64_t digits_refused      # more than anybody can press
    int64_t opened_ns
    int64_t state_from_ns       # since when packets are waited for
    pbx_address remote          # where we send
    # RTCP
    int has_control             # the peer takes reports
    int control_mux             # on the RTP port (RFC 5761)
    int control_learned
    uint32_t control_chance
    int64_t control_next_ns
    int64_t control_packets_out # RTP packets out when the last report was written
    int64_t expected_before
    int64_t received_before
    uint32_t sr_middle          # of the NTP time in the peer's last sender report
    int64_t sr_at_ns
    int64_t round_trip_ns
    int64_t trips
    int64_t peer_reports
    int32_t peer_lost           # of what we sent
    uint32_t peer_jitter
    int64_t control_in
    int64_t control_out
    int64_t control_invalid
    int64_t byes
    pbx_address control_to
    pbx_address named           # where the session description says that the peer is
    # counters, read by Python without a lock: each is one word
    int64_t lost
    int64_t invalid
    int64_t wrong_source
    int64_t undecryptable
    int64_t replayed
    int64_t truncated
    int64_t send_errors


cdef struct Room:
    int open
    uint32_t generation
    int slot
    int count
    int members[MAX_MEMBERS]
    int64_t summed_ms           # the instant that the sums below end at
    int wide                    # members at 16 kHz
    int narrow                  # members at 8 kHz
    int32_t narrow_sum[160]
    int32_t wide_sum[320]


cdef struct Core:
    Port *ports
    int capacity
    Room *rooms
    int high                    # above every port that was ever opened
    int *dirty
    int dirty_count
    int wheel[WHEEL]            # first port of each slot, -1: none
    int on_wheel
    int moments[WHEEL]          # first port to be read in each millisecond of a turn, -1: none
    int on_moments
    int settled                 # below 0: so many ports may get a moment until the next batch
    int64_t batch_ms            # the instants up to here are worked off in one go
    int step_ms                 # the grid's: coarser with few legs
    int64_t drain_until_ms      # read every socket until it is empty: the thread was held
    int64_t begun_ns
    int64_t tick_ms             # the last instant that was worked off, since begun_ns
    CommandRing commands
    NoticeRing notices
    int epoll
    int wake                    # Python → engine
    int event_fd                # engine → Python
    int running
    uint8_t packet[PACKET_BYTES]
    uint8_t copy[PACKET_BYTES]
    int64_t next_scan_ns
    int piece                   # of the ports, that was looked through last
    int busy                    # many packets: read on the grid, many sockets at a time
    int cpu                     # to keep to, -1: any
    int64_t pulse_ns            # when the load was last taken
    int64_t received_before     # what was received until then
    int64_t cpu_ns
    double load                 # share of the thread's core, over the last second or so
    int64_t loops
    int64_t received            # datagrams that epoll told of
    int64_t skipped_ms          # grid instants given up because the thread was held
    int64_t lateness[128]       # ticks by lateness, in bins of 50 µs
    int64_t worst_ns
    int realtime                # SCHED_FIFO was granted


cdef void notify(Core *core, int kind, uint32_t index, uint32_t token, int64_t value) noexcept nogil
cdef void wheel_put(Core *core, int index, int slot) noexcept nogil
cdef void wheel_take(Core *core, int index) noexcept nogil
cdef Ear *ear_of(Port *port) noexcept nogil
cdef Keypad *keypad_of(Port *port) noexcept nogil
cdef Mouth *mouth_of(Port *port) noexcept nogil
cdef void soil(Core *core, int index) noexcept nogil
cdef void tap(Core *core, int index, int rate_hz, int by) noexcept nogil
cdef int64_t lost_of(Port *port) noexcept nogil
