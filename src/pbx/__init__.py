"""A call-centre phone system: SIP, IVR, queues, recording and reports in one process."""

__version__ = "0.1.0"
