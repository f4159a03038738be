"""Types of the compiled twin of uri.py."""

cpdef str format_params(tuple params)
cpdef tuple split_host_port(str text)
