"""Commands from Python, worked off on the media thread."""

from pbx.native.core cimport Core

cdef enum:
    C_OPEN = 1, C_CLOSE, C_REMOTE, C_HEAR, C_UNHEAR, C_DEAF, C_DIRECTION, C_STOP, C_PLAY, C_HUSH, C_DIGIT
    C_CONSUME, C_RECORD, C_PAUSE, C_END_RECORDING, C_JOIN, C_LEAVE, C_ROOM, C_KEYS, C_PART, C_ARRIVE, C_BESIDE

cdef void obey(Core *core) noexcept nogil
cdef void close_port(Core *core, int index) noexcept nogil
