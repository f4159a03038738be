"""Who is joined with whom, and on which media thread: a company never spans two.

Legs of one call begin on one thread. Where a transfer, a conference or a supervisor joins two companies, the smaller
one moves. A port on its way takes no commands: they wait, and who hears whom is told anew after the arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx import _mix

if TYPE_CHECKING:
    from pbx.media.port import Port
    from pbx.media.room import Room


class Ties:
    """What ties a port to others: the truth that the engine's edges follow; tuples, for most have a tie or two."""

    __slots__ = ("hearers", "muted", "room", "sources", "taped", "tapers")

    def __init__(self) -> None:
        self.sources: tuple[Port, ...] = ()
        self.hearers: tuple[Port, ...] = ()
        self.taped: Port | None = None  # on the right-hand channel of what this port records
        self.tapers: tuple[Port, ...] = ()  # those who record this one so
        self.room: Room | None = None
        self.muted = False

    def cut(self, port: Port) -> None:
        """Untie *port*, whose ties these are, from everybody."""
        for source in self.sources:
            source.ties.hearers = without(source.ties.hearers, port)
        for hearer in self.hearers:
            hearer.ties.sources = without(hearer.ties.sources, port)
        for taper in self.tapers:
            taper.ties.taped = None
        if self.taped is not None:
            self.taped.ties.tapers = without(self.taped.ties.tapers, port)
        if self.room is not None:
            self.room.members.discard(port)
        self.sources, self.hearers, self.tapers, self.taped, self.room = (), (), (), None, None

    def __iter__(self) -> Iterator[Port]:
        yield from self.sources
        yield from self.hearers
        yield from self.tapers
        if self.taped is not None:
            yield self.taped
        if self.room is not None:
            yield from self.room.members


def with_(ports: tuple[Port, ...], port: Port) -> tuple[Port, ...]:
    """Return *ports* and *port*, which is among them once."""
    return ports if port in ports else (*ports, port)


def without(ports: tuple[Port, ...], port: Port) -> tuple[Port, ...]:
    """Return *ports* less *port*."""
    return tuple(one for one in ports if one is not port)


def company(port: Port) -> set[Port]:
    """Return everybody whose media belongs on one thread with *port*'s, itself among them."""
    found, waiting = {port}, [port]
    while waiting:
        for other in waiting.pop().ties:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def bring_together(one: Port, other: Port) -> None:
    """See to it that both are on one thread, or on their way there: the smaller company moves."""
    if one.shard is other.shard:
        return
    movers, stayers = sorted((company(one), company(other)), key=len)
    shard = next(iter(stayers)).shard
    rooms = {port.ties.room for port in movers if port.ties.room is not None}
    for port in movers:
        port.move(shard)
    for room in rooms:
        room.move(shard)


def tell_ties(port: Port) -> None:
    """Tell the engine of a port that arrived who hears whom; a tie with one still on its way is told by that one."""
    ties = port.ties
    for source in ties.sources:
        if not source.moving:
            port.post(_mix.OP_HEAR, source.index, source.generation)
    for hearer in ties.hearers:
        if not hearer.moving and hearer is not port:
            hearer.post(_mix.OP_HEAR, port.index, port.generation)
    if ties.room is not None:
        port.post(_mix.OP_JOIN, ties.room.number, int(ties.muted))
    if ties.taped is not None and not ties.taped.moving:
        port.post(_mix.OP_BESIDE, ties.taped.index, ties.taped.generation)
    for taper in ties.tapers:
        if not taper.moving:
            taper.post(_mix.OP_BESIDE, port.index, port.generation)
