"""The dialplan: routes, conditions and steps; maps the outcomes of applications to the next step."""

from pbx.dialplan import dialling, features, flowing, lookups, queueing, sounding  # each registers what runs its steps

__all__ = ["dialling", "features", "flowing", "lookups", "queueing", "sounding"]
