"""Types of the compiled twin of ways.py."""

from pbx.sip.message cimport Request
from pbx.whole cimport whole

cpdef note_source(Request request, flow)
cpdef return_flow(via, flow)
cpdef tuple server_key(Request request, str transport)
