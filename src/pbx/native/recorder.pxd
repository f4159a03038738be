"""A recording: a ring of frames from the engine to a writer thread, and the WAV file behind it."""

from libc.stdint cimport int16_t, int64_t, uint32_t, uint64_t

cdef enum:
    MAX_RECORDINGS = 4096

# The life of a recording; each step is taken by the one who owns it then.
cdef enum:
    R_FREE = 0, R_LIVE, R_ENDED, R_WRITTEN

cdef struct Recording:
    uint64_t state              # R_*: the engine ends it, the writer says when it is written
    uint64_t head               # samples, written by the engine
    uint64_t tail               # written by the writer
    uint64_t size
    int16_t *ring
    int fd
    int channels
    int rate_hz
    int coding                  # CODEC_PCMU or CODEC_PCMA; else 16 bits a sample
    int outcome                 # D_*
    int failed                  # errno of the first write that failed
    uint32_t port
    uint32_t generation
    uint32_t token
    int paused
    int64_t next_ms             # instant of the engine's clock that the file ends at, 0: not begun
    int64_t owed                # silent samples a channel, for what the ring could not take
    int64_t frames_ms           # recorded so far
    int64_t silent_ms
    int64_t silence_limit_ms    # 0: none
    int64_t limit_ms            # 0: none
    int64_t octets              # in the file
    int64_t dropped             # samples a channel that became silence because the disk was slow

cdef bint record_frame(Recording *recording, int64_t now_ms, const int16_t *left, const int16_t *right,
                       int frame) noexcept nogil
cdef void end_recording(Recording *recording, int outcome) noexcept nogil
