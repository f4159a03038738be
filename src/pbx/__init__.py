"""A call-centre phone system: SIP, IVR, queues, recording and reports in one process."""

from pbx.twins import choose

__version__ = "0.1.0"

choose()
