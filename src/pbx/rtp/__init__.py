"""RTP without sockets: what its figures mean."""
