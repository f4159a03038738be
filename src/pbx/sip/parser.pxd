"""Types of the compiled twin of parser.py."""

from pbx.sip.headers cimport parse_address
from pbx.sip.message cimport Message, Request, Response
from pbx.whole cimport whole

cpdef Message parse_message(bytes data)
cpdef tuple split_head(bytes data)
cpdef tuple _first_line(str line)
cpdef _body(Message message, bytes body)
cpdef validate_request(Request request)
cpdef validate_answer(Response response)
