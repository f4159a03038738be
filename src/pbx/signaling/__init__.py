"""The signalling room: sockets, the user agent that drives the pure stack, registrations, trunks."""
