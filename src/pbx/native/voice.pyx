# cython: language_level=3
"""What a port says: clips mixed in frame by frame, and the encoder."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memmove

from pbx.native.ear cimport CODEC_G722, CODEC_OPUS, CODEC_PCMA, clock_of, rate_of
from pbx.native.g711 cimport LAW_A, LAW_U, g711_encode
from pbx.native.g722 cimport g722_encode, g722_reset

from pbx.native.opus cimport opus_encode, opus_encoder, opus_encoder_reset, opus_forget_encoder

cdef enum:
    TICK_MS = 20


cdef void mouth_reset(Mouth *mouth, int codec) noexcept nogil:
    """Follow a codec; what plays goes on."""
    mouth.codec = codec
    mouth.rate_hz = rate_of(codec)
    mouth.filled = 0
    mouth.fresh = 2
    mouth.digit_ms = -1
    mouth.clock = clock_of(codec)
    g722_reset(&mouth.g722)
    if codec == CODEC_OPUS:
        opus_encoder_reset(mouth.opus)


cdef void mouth_free(Mouth *mouth) noexcept nogil:
    if mouth != NULL:
        opus_forget_encoder(mouth.opus)
    free(mouth)


cdef bint play_frame(Mouth *mouth, int32_t *total, int frame) noexcept nogil:
    """Add the next frame of what plays; False when it is over.

    One clip follows the other without a gap. A list made for the other rate (the codec changed meanwhile) is played
    by taking every second sample, or each twice.
    """
    cdef Playlist *list = mouth.playing
    cdef int made = 0, turns = 0
    while made < frame:
        if mouth.clip >= list.count:
            turns += 1
            if not list.loop or turns > 1:
                return False
            mouth.clip, mouth.place = 0, 0
        while made < frame and mouth.place < list.lengths[mouth.clip]:
            turns = 0
            total[made] += list.samples[mouth.clip][mouth.place]
            made += 1
            if list.rate_hz == mouth.rate_hz:
                mouth.place += 1
            elif list.rate_hz > mouth.rate_hz:
                mouth.place += 2
            else:
                mouth.place += (made + 1) & 1
        if mouth.place >= list.lengths[mouth.clip]:
            mouth.clip += 1
            mouth.place = 0
    return mouth.clip < list.count or list.loop


cdef void tune_in(Mouth *mouth, int64_t now_ms) noexcept nogil:
    """Be where the shared stream is at *now_ms*."""
    cdef Playlist *list = mouth.playing
    mouth.clip = 0
    mouth.place = now_ms // TICK_MS * (list.rate_hz // 50) % list.lengths[0]


cdef Coded *shared_frame(Mouth *mouth, int64_t now_ms) noexcept nogil:
    """Return the shared stream's frame of *now_ms* in the mouth's codec, which is made by whoever asks first."""
    cdef Playlist *list = mouth.playing
    cdef Coded *coded = &list.coded[mouth.codec]
    cdef int16_t frame[320]
    cdef int i, count = list.rate_hz // 50
    cdef int64_t turn = now_ms // TICK_MS, place = turn * count % list.lengths[0]
    if coded.turn == turn:
        return coded
    for i in range(count):
        frame[i] = list.samples[0][place]
        place = place + 1 if place + 1 < list.lengths[0] else 0
    coded.turn = turn
    coded.size = count
    if mouth.codec == CODEC_G722:
        coded.size = g722_encode(&list.g722, frame, coded.payload, count)
    elif mouth.codec == CODEC_OPUS:
        if list.opus == NULL:
            list.opus = opus_encoder()
        coded.size = opus_encode(list.opus, frame, count, coded.payload)
    else:
        g711_encode(LAW_A if mouth.codec == CODEC_PCMA else LAW_U, frame, coded.payload, count)
    return coded


cdef int encode_packet(Mouth *mouth, int samples, uint8_t *out) noexcept nogil:
    """Encode the first *samples* of what is collected; returns octets."""
    cdef int size = samples
    if mouth.codec == CODEC_G722:
        size = g722_encode(&mouth.g722, mouth.out, out, samples)
    elif mouth.codec == CODEC_OPUS:
        if mouth.opus == NULL:
            mouth.opus = opus_encoder()     # only now: who hears nothing but music needs none
        size = opus_encode(mouth.opus, mouth.out, samples, out)
    else:
        g711_encode(LAW_A if mouth.codec == CODEC_PCMA else LAW_U, mouth.out, out, samples)
    mouth.filled -= samples
    memmove(mouth.out, mouth.out + samples, mouth.filled * sizeof(int16_t))
    return size


cdef class Clips:
    """A list of sounds for the player; must live until the engine says that it ended."""

    cdef object __weakref__
    cdef Playlist list
    cdef Py_buffer views[MAX_CLIPS]

    def __cinit__(self, sounds, int rate_hz, bint loop):
        cdef int i
        if len(sounds) > MAX_CLIPS:
            raise ValueError(f"at most {MAX_CLIPS} clips in a list")
        self.list.rate_hz, self.list.loop = rate_hz, loop
        for i in range(CODECS):
            self.list.coded[i].turn = -1
        g722_reset(&self.list.g722)
        for i in range(len(sounds)):
            PyObject_GetBuffer(sounds[i], &self.views[i], PyBUF_SIMPLE)
            self.list.samples[i] = <const int16_t *>self.views[i].buf
            self.list.lengths[i] = self.views[i].len // 2
            self.list.count = i + 1

    def __dealloc__(self):
        cdef int i
        for i in range(self.list.count):
            PyBuffer_Release(&self.views[i])
        opus_forget_encoder(self.list.opus)

    @property
    def address(self) -> int:
        return <uintptr_t>&self.list
