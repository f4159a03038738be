"""The call room: signalling and media joined into legs that scripts can use."""
