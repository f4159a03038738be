"""A recording of a conversation while it runs: paused for what nobody may keep, with a mark for each pause."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pbx import events as ev
from pbx.call.contract import Emit
from pbx.call.leg import Leg


class Tape:
    """Caller left, called party right, from the moment both are joined."""

    def __init__(self, leg: Leg, other: Leg, path: Path, emit: Emit, *, queue: str = "", agent: str = "") -> None:
        self._leg, self._other = leg, other
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._pauses = 0
        self._call_id = leg.call_id
        self.recording_id = path.stem
        self.began = self._loop.time()
        self.running = True
        token = leg.port.record(path, other=other.port, coding=leg.calls.recording_coding)
        leg.when_done[token] = self._written
        leg.tape = other.tape = self
        emit(
            ev.RecordingStarted(
                call_id=leg.call_id, leg_id=leg.leg_id, recording_id=self.recording_id,
                path="/".join(path.parts[-4:]), other=other.leg_id, queue=queue, agent=agent,
                caller=leg.caller.number, dialled=leg.callee.number,
            )
        )  # fmt: skip

    def _written(self, outcome: str) -> None:
        """The file is whole: whoever keeps it may seal it."""
        self._emit(ev.RecordingWritten(call_id=self._call_id, recording_id=self.recording_id, outcome=outcome))

    @property
    def at_ms(self) -> int:
        return round((self._loop.time() - self.began) * 1000)

    def pause(self, cause: str) -> None:
        """Keep silence from now on; as many resumes as pauses let it go on."""
        self._pauses += 1
        if self._pauses == 1:
            self._mark("paused", cause, pause=True)

    def resume(self, cause: str) -> None:
        self._pauses -= 1
        if self._pauses == 0:
            self._mark("resumed", cause, pause=False)

    def _mark(self, mark: str, cause: str, *, pause: bool) -> None:
        if not self.running:
            return
        if self._leg.end is None:
            self._leg.port.pause_recording(pause)
        self._emit(
            ev.RecordingMarked(
                call_id=self._call_id, recording_id=self.recording_id, mark=mark, at_ms=self.at_ms, cause=cause
            )
        )  # fmt: skip

    def stop(self) -> None:
        """End it, once."""
        if not self.running:
            return
        self.running = False
        for leg in (self._leg, self._other):
            if leg.tape is self:
                leg.tape = None
        self._emit(ev.RecordingEnded(call_id=self._call_id, recording_id=self.recording_id, duration_ms=self.at_ms))
        if self._leg.media is not None:
            self._leg.media.port.stop_recording()
