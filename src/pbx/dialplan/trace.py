"""Events as the words of a trace, the same for `pbx test` and for a live call."""

from __future__ import annotations

from pbx import events as ev

QUEUE_EXITS = {"timeout": "timeout", "emptied": "no-agents", "key": "key", "callback": "callback", "moved": "moved"}


def words_of(event: ev.Event) -> str:
    """Return an event's words, "" for what a trace does not show."""
    if isinstance(event, ev.StepRan):
        return event.step
    if isinstance(event, ev.LegAnswered):
        return "answer" if event.leg_id.endswith(".1") else ""
    if isinstance(event, ev.LegEnded):
        refused = event.leg_id.endswith(".1") and event.by == "us" and event.status >= 300 and event.status != 487
        return f"reject {event.status}" if refused else ""
    if isinstance(event, ev.MenuEntered):
        return f"menu {event.menu}"
    if isinstance(event, ev.MenuKey):
        return _key_words(event)
    if isinstance(event, ev.LookupEnded):
        return f"lookup {event.lookup} {event.outcome}"
    if isinstance(event, ev.CallServed):
        return f"served {event.what}"
    if isinstance(event, ev.VoicemailChanged):
        return f"message {event.state} {event.mailbox}"
    return _queue_words(event)


def _key_words(event: ev.MenuKey) -> str:
    if event.outcome in ("silence", "exhausted"):
        return "silence" if not event.key else ""
    return f"wrong {event.key}" if event.outcome == "wrong" else f"key {event.key}"


def _queue_words(event: ev.Event) -> str:
    if isinstance(event, ev.QueueRefused):
        return event.why
    if isinstance(event, ev.QueueLeft):
        if event.exit == "answered":
            return f"connected {event.agent}"
        words = QUEUE_EXITS.get(event.exit, "")
        return f"{words} {event.key}".strip() if event.exit == "key" else words
    if isinstance(event, ev.OfferMade):
        return f"offer {event.agent}"
    if isinstance(event, ev.OfferEnded):
        return "" if event.outcome == "answered" else f"offer-{event.outcome} {event.agent}"
    if isinstance(event, ev.CallDisposition):
        return f"disposition {event.code} {event.agent}"
    if isinstance(event, ev.AgentHelp):
        return f"help {event.state} {event.agent}"
    if isinstance(event, ev.CallbackChanged):
        return f"callback {event.state} {event.number}"
    if isinstance(event, ev.SurveyAnswered):
        return f"survey {event.survey} {event.state} {event.score}".strip()
    return ""


def holds(expected: str, words: str) -> bool:
    """Say whether the words of *expected* stand in *words*, whole and in order."""
    rest = iter(words.split())
    return all(word in rest for word in expected.split())
