"""Types of the compiled twin of refusal.py."""

from pbx.sip.message cimport Request, Response

cpdef Response refusal_of(Request request, ids)
cpdef bint too_far(Request request)
