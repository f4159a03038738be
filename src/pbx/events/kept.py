"""Recordings, voicemail, conferences."""

from __future__ import annotations

from pbx.events.base import Event, kind


@kind("recording.started")
class RecordingStarted(Event):
    recording_id: str = ""
    path: str = ""  # below recordings.path; made of our own ids
    other: str = ""  # leg_id of the right channel
    queue: str = ""
    agent: str = ""
    caller: str = ""
    dialled: str = ""


@kind("recording.marked")
class RecordingMarked(Event):
    recording_id: str = ""
    mark: str = ""  # paused, resumed
    at_ms: int = 0
    cause: str = ""


@kind("recording.ended")
class RecordingEnded(Event):
    recording_id: str = ""
    duration_ms: int = 0


@kind("recording.written")
class RecordingWritten(Event):
    recording_id: str = ""
    outcome: str = ""  # ended, stopped, failed


@kind("recording.sealed")
class RecordingSealed(Event):
    """The file is whole: its hash, and that of the chain up to it."""

    recording_id: str = ""
    path: str = ""
    size_bytes: int = 0
    sha256: str = ""  # empty: there is no file
    previous: str = ""  # the chain before it
    chain: str = ""
    cause: str = ""  # restart: sealed by the run after the one that made it


@kind("recording.touched")
class RecordingTouched(Event):
    recording_id: str = ""
    who: str = ""
    what: str = ""  # played, exported, deleted, held, released


@kind("caller.forgotten")
class CallerForgotten(Event):
    pseudonym: str = ""
    who: str = ""
    events: int = 0
    recordings: int = 0


@kind("voicemail.changed")
class VoicemailChanged(Event):
    mailbox: str = ""
    message_id: str = ""
    state: str = ""  # left, heard, saved, deleted, expired
    caller: str = ""
    duration_ms: int = 0


@kind("voicemail.sent")
class VoicemailSent(Event):
    mailbox: str = ""
    message_id: str = ""
    to: str = ""  # an address, or a webhook's host
    outcome: str = ""  # sent, failed
    cause: str = ""


@kind("conference.joined")
class ConferenceJoined(Event):
    conference: str = ""
    party: str = ""


@kind("conference.left")
class ConferenceLeft(Event):
    conference: str = ""
    party: str = ""
