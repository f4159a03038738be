"""SIP as a pure core: bytes and a time in, outputs out (RFC 3261). No sockets, no clock, no random of its own."""
