OP_OPEN: int
OP_CLOSE: int
OP_REMOTE: int
OP_HEAR: int
OP_UNHEAR: int
OP_DEAF: int
OP_DIRECTION: int
OP_STOP: int
OP_PLAY: int
OP_HUSH: int
OP_DIGIT: int
OP_CONSUME: int
OP_RECORD: int
OP_PAUSE: int
OP_END_RECORDING: int
OP_JOIN: int
OP_LEAVE: int
OP_ROOM: int
OP_KEYS: int
OP_PART: int
OP_ARRIVE: int
OP_BESIDE: int
NOTICE_RELEASED: int
NOTICE_DIGIT: int
NOTICE_MEDIA: int
NOTICE_DONE: int
NOTICE_PARTED: int
MEDIA_BACK: int
MEDIA_NEVER_CAME: int
MEDIA_STOPPED: int
MEDIA_WRONG_SOURCE: int
MEDIA_UNDECRYPTABLE: int
DONE_ENDED: int
DONE_STOPPED: int
DONE_FAILED: int
DONE_SILENCE: int
DONE_LIMIT: int

class Engine:
    capacity: int
    event_fd: int
    cpu_ns: int
    load: float
    loops: int
    on_moments: int
    realtime: bool
    pinned: int
    dropped_notices: int
    lateness: tuple[list[int], int, int]
    def __init__(self, capacity: int = 4096, ring: int = 4096, epoch_ns: int = 0, cpu: int = -1) -> None: ...
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
    def put(
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
    def wake(self) -> None: ...
    def drain(self) -> list[tuple[int, int, int, int, int, int]]: ...
    def stats(self, index: int) -> dict[str, int | float | bytes]: ...
    def run(self) -> None: ...
