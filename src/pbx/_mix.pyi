OP_OPEN: int
OP_CLOSE: int
OP_REMOTE: int
OP_HEAR: int
OP_DEAF: int
OP_DIRECTION: int
OP_STOP: int
NOTICE_RELEASED: int
NOTICE_DIGIT: int
NOTICE_MEDIA: int
MEDIA_BACK: int
MEDIA_NEVER_CAME: int
MEDIA_STOPPED: int
MEDIA_WRONG_SOURCE: int

class Engine:
    capacity: int
    event_fd: int
    cpu_ns: int
    loops: int
    dropped_notices: int
    def __init__(self, capacity: int = 4096, ring: int = 4096) -> None: ...
    def post(
        self,
        op: int,
        port: int,
        generation: int,
        token: int = 0,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        d: int = 0,
        e: int = 0,
        f: int = 0,
    ) -> None: ...
    def drain(self) -> list[tuple[int, int, int, int, int, int]]: ...
    def stats(self, index: int) -> dict[str, int | float | bytes]: ...
    def run(self) -> None: ...
