"""SRTP through libsrtp, called by address: no headers at build time, no GIL at run time."""

from libc.stdint cimport uint8_t

cdef enum:
    SRTP_OK = 0
    SRTP_REPLAYED = 9           # srtp_err_status_replay_fail
    SRTP_TOO_OLD = 10           # srtp_err_status_replay_old
    TRAILER_BYTES = 148         # the most that encryption adds

cdef int protect(void *context, uint8_t *packet, int *size) noexcept nogil
cdef int unprotect(void *context, uint8_t *packet, int *size) noexcept nogil
cdef int protect_rtcp(void *context, uint8_t *packet, int *size) noexcept nogil
cdef int unprotect_rtcp(void *context, uint8_t *packet, int *size) noexcept nogil
cdef void forget(void *context) noexcept nogil
