"""Types of the compiled twin of headers.py."""

cpdef list split_list(str text)
cpdef tuple split_params(str text)
cpdef str param_of(tuple params, str name)
