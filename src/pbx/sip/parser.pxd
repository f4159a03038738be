"""Types of the compiled twin of parser.py."""

cpdef tuple split_head(bytes data)
cpdef tuple _first_line(str line)
