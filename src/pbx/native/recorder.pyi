from typing_extensions import Buffer

class Writer:
    event_fd: int
    def open(
        self,
        fd: int,
        rate_hz: int,
        channels: int,
        port: int,
        generation: int,
        token: int,
        silence_ms: int,
        limit_ms: int,
        coding: int = 0,
    ) -> int: ...
    def feed(self, address: int, now_ms: int, left: Buffer, right: Buffer) -> None: ...
    def end(self, address: int) -> None: ...
    def written(self) -> list[tuple[int, int, int, int, int, int]]: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...
