"""Rotas: who is on duty now, and who comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pbx.config.dialplan import Rota


def on_duty(rota: Rota, at: datetime, word: str) -> str:
    """Return the target of ``now``, ``next`` or a person's name; "" where there is none."""
    if word == "now":
        name = _name(rota, at)
    elif word == "next":
        name = _name(rota, at + timedelta(hours=rota.every_h))
    else:
        name = word
    return rota.people.get(name, "")


def _name(rota: Rota, at: datetime) -> str:
    """Whose shift it is: turns are counted in hours of the rota's own clock, and a swap is for a date."""
    zone = ZoneInfo(rota.timezone) if rota.timezone else UTC
    start = datetime.fromisoformat(rota.from_)
    start = start if start.tzinfo is not None else start.replace(tzinfo=zone)
    local, local_start = (moment.astimezone(zone).replace(tzinfo=None) for moment in (at, start))
    turn = int((local - local_start).total_seconds() // (rota.every_h * 3600))
    began = local_start + timedelta(hours=turn * rota.every_h)
    swapped = rota.swaps.get(began.isoformat(timespec="minutes")) or rota.swaps.get(began.date().isoformat())
    return swapped or rota.order[turn % len(rota.order)]
