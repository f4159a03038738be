"""Types of the compiled twin of negotiate.py."""

from pbx.sdp.description cimport Description, Media

cpdef tuple audio_of(Description description)
cpdef list codecs_of(Media media)
cpdef _their_crypto(Media audio, str srtp)
cpdef str _direction(Description theirs, Media audio)
cpdef _line(Media media)
cpdef Media _refusal(line, str address)
cpdef tuple _rtcp(Media audio, str address)
cpdef str _both(str one, str other)
