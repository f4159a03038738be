"""A conference in the engine."""

from __future__ import annotations

from pbx import _mix
from pbx.media.company import bring_together
from pbx.media.contract import MediaPort
from pbx.media.port import Port
from pbx.media.shard import Shard


class Room:
    """Everybody hears everybody else; the room is on the thread that its members are on."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._closed = False
        self.number = shard.take_room()
        self.members: set[Port] = set()

    def join(self, port: MediaPort, *, muted: bool = False) -> None:
        """Take a port in, or mute it, or let it speak again."""
        assert isinstance(port, Port)
        if self._closed or port.closed:
            return
        ties = port.ties
        if ties.room is not None and ties.room is not self:
            ties.room.members.discard(port)
        if self.members:
            bring_together(next(iter(self.members)), port)
        elif self._shard is not port.shard:
            self.move(port.shard)
        self.members.add(port)
        ties.room, ties.muted = self, muted
        if not port.moving:
            port.post(_mix.OP_JOIN, self.number, int(muted))

    def leave(self, port: MediaPort) -> None:
        assert isinstance(port, Port)
        if port.ties.room is not self:
            return
        self.members.discard(port)
        port.ties.room = None
        if not port.moving:
            port.post(_mix.OP_LEAVE)

    def move(self, shard: Shard) -> None:
        """Take a number on another thread; members are told of it when they arrive there."""
        number = shard.take_room()
        self._shard.free_room(self.number)
        self.number, self._shard = number, shard

    def close(self) -> None:
        """Let everybody out and give the number back."""
        if self._closed:
            return
        for port in list(self.members):
            self.leave(port)
        self._closed = True
        self._shard.free_room(self.number)
