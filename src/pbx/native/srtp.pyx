# cython: language_level=3
"""SRTP contexts: made here, handed to the engine, which uses them without the GIL and frees them.

libsrtp comes inside pylibsrtp's wheel. Its functions are called by the addresses that cffi tells, so that this
extension builds without libsrtp's headers.
"""

from libc.stdint cimport uint8_t, uintptr_t

from pylibsrtp import _binding

ctypedef int (*srtp_function)(void *context, void *packet, int *size) noexcept nogil
ctypedef int (*srtp_release)(void *context) noexcept nogil

_ffi, _lib = _binding.ffi, _binding.lib


def _address(name: str) -> int:
    return int(_ffi.cast("uintptr_t", _ffi.addressof(_lib, name)))


# Set once, when this module is loaded, and constant from then on.
cdef srtp_function _protect = <srtp_function><uintptr_t>_address("srtp_protect")
cdef srtp_function _unprotect = <srtp_function><uintptr_t>_address("srtp_unprotect")
cdef srtp_function _protect_rtcp = <srtp_function><uintptr_t>_address("srtp_protect_rtcp")
cdef srtp_function _unprotect_rtcp = <srtp_function><uintptr_t>_address("srtp_unprotect_rtcp")
cdef srtp_release _release = <srtp_release><uintptr_t>_address("srtp_dealloc")

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": _lib.srtp_profile_aes128_cm_sha1_80,
    "AES_CM_128_HMAC_SHA1_32": _lib.srtp_profile_aes128_cm_sha1_32,
    "AEAD_AES_128_GCM": _lib.srtp_profile_aead_aes_128_gcm,
    "AEAD_AES_256_GCM": _lib.srtp_profile_aead_aes_256_gcm,
}
WINDOW = 1024                   # packets: later than that is too late to be told from a replay


cdef int protect(void *context, uint8_t *packet, int *size) noexcept nogil:
    """Encrypt a packet in place; *size* grows by the tag."""
    return _protect(context, packet, size)


cdef int unprotect(void *context, uint8_t *packet, int *size) noexcept nogil:
    """Check and decrypt a packet in place; anything but 0 means that it is not the peer's, or came before."""
    return _unprotect(context, packet, size)


cdef int protect_rtcp(void *context, uint8_t *packet, int *size) noexcept nogil:
    return _protect_rtcp(context, packet, size)


cdef int unprotect_rtcp(void *context, uint8_t *packet, int *size) noexcept nogil:
    return _unprotect_rtcp(context, packet, size)


cdef void forget(void *context) noexcept nogil:
    """Free a context; its keys are wiped by libsrtp."""
    if context != NULL:
        _release(context)


def create(suite: str, key: bytes, inbound: bool) -> int:
    """Make a context for every stream of one direction; whoever gets the address owns it.

    :raises ValueError: for a suite or a key that libsrtp does not take.
    """
    if suite not in PROFILES:
        raise ValueError(f"no suite {suite}")
    policy, profile = _ffi.new("srtp_policy_t *"), PROFILES[suite]
    _lib.srtp_crypto_policy_set_from_profile_for_rtp(_ffi.addressof(policy.rtp), profile)
    _lib.srtp_crypto_policy_set_from_profile_for_rtcp(_ffi.addressof(policy.rtcp), profile)
    wanted = _lib.srtp_profile_get_master_key_length(profile) + _lib.srtp_profile_get_master_salt_length(profile)
    if len(key) != wanted:
        raise ValueError(f"a key of {suite} has {wanted} bytes")
    kept = _ffi.new("unsigned char[]", key)
    policy.key = kept
    policy.ssrc.type = _lib.ssrc_any_inbound if inbound else _lib.ssrc_any_outbound
    policy.window_size = WINDOW
    policy.allow_repeat_tx = 0  # the same number twice would give GCM's key away
    context = _ffi.new("srtp_t *")
    status = _lib.srtp_create(context, policy)
    _ffi.buffer(kept)[:] = bytes(len(key) + 1)
    if status != _lib.srtp_err_status_ok:
        raise ValueError(f"libsrtp refuses {suite}: {status}")
    return int(_ffi.cast("uintptr_t", context[0]))


def destroy(uintptr_t context) -> None:
    """Free a context that the engine never got."""
    forget(<void *>context)


def seal(uintptr_t context, packet: bytes) -> bytes:
    """Encrypt one RTP packet, for tests and measurements."""
    cdef uint8_t buffer[2048]
    cdef int size = <int>len(packet), i
    if size > 2048 - TRAILER_BYTES:
        raise ValueError("too long")
    for i in range(size):
        buffer[i] = packet[i]
    if protect(<void *>context, buffer, &size):
        raise ValueError("not encrypted")
    return buffer[:size]
