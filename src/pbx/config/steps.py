"""The steps of the language: a table with one verb and its options, or a list of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from typing_extensions import TypeAliasType

from pbx.config.base import Spec, one_or_many

Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Steps = Annotated[tuple["Step", ...], BeforeValidator(one_or_many)]
Order = Literal["all", "in-turn", "failover", "round-robin"]
Record = Literal["always", "on-demand", "never"]


class Branches(Spec):
    """``on``: where a step's outcome leads."""

    busy: Steps | None = None
    no_answer: Steps | None = None
    unreachable: Steps | None = None
    declined: Steps | None = None
    full: Steps | None = None
    closed: Steps | None = None
    no_agents: Steps | None = None
    timeout: Steps | None = None
    key: Steps | None = None
    error: Steps | None = None
    else_: Steps | None = None


class StepSpec(Spec):
    """What every step may have."""

    on: Branches | None = None
    else_: Steps | None = None


class AnswerStep(StepSpec):
    answer: Literal[True]


class RingStep(StepSpec):
    ring: Literal[True]
    for_s: float = Field(0, ge=0)


class PlayStep(StepSpec):
    play: Names
    loop: bool = False
    early: bool = False


class SayStep(StepSpec):
    say: str
    as_: Literal["digits", "number", "date", "time", "money", "duration", "position", "text"] = "number"
    unit: str = ""
    early: bool = False


class CollectStep(StepSpec):
    collect: str  # the variable's name
    prompt: Names = ()
    digits: int = Field(32, ge=1, le=64)  # at most
    min_digits: int = Field(1, ge=0)
    end: str = "#"
    wait_s: float = Field(5, gt=0)
    next_s: float = Field(3, gt=0)
    tries: int = Field(3, ge=1)
    wrong: Names = ()
    secret: bool = False
    early: bool = False


class MenuStep(StepSpec):
    menu: str


class DialStep(StepSpec):
    dial: Names
    order: Order = "all"
    ring_s: float | None = Field(None, gt=0)
    confirm: str = ""
    whisper: Names = ()
    caller: str = ""
    number: str = ""
    caller_name: str = ""
    music: str = ""  # heard while it rings, instead of ringing tone


class QueueStep(StepSpec):
    queue: str
    priority: int | None = None
    ring_s: float | None = Field(None, gt=0)
    max_wait_s: float | None = Field(None, gt=0)


class VoicemailStep(StepSpec):
    voicemail: str
    greeting: Literal["unavailable", "busy", "temporary", "none"] | str = "unavailable"


class VoicemailCheckStep(StepSpec):
    voicemail_check: str


class ConferenceStep(StepSpec):
    conference: str
    max: int = Field(0, ge=0)
    pin: str = ""
    announce: bool | Literal["number"] = True  # a beep to the others; "number": who comes and goes is said
    muted: bool = False
    moderator: bool = False
    record: bool = False


class FlowStep(StepSpec):
    flow: str


class AttemptStep(StepSpec):
    attempt: int = Field(ge=1, le=100)
    do: Steps
    exhausted: Steps = ()


class AgainStep(StepSpec):
    again: Literal[True]


class RepeatStep(StepSpec):
    repeat: Literal[True]


class WhenStep(StepSpec):
    when: str
    then: Steps = ()


class GotoStep(StepSpec):
    goto: str
    number: str = ""


class LookupStep(StepSpec):
    lookup: str
    into: str = ""
    on: dict[str, Steps] | None = None  # type: ignore[assignment]


class SetStep(StepSpec):
    set: dict[str, str | int | float | bool]


class NeedStep(StepSpec):
    need: dict[str, Annotated[int, Field(ge=1, le=9)]]
    relax: bool = True


class ServedStep(StepSpec):
    served: str


class LanguageStep(StepSpec):
    language: str


class WaitStep(StepSpec):
    wait: float = Field(gt=0, le=3600)  # seconds


class HangupStep(StepSpec):
    hangup: str | Literal[True]  # a cause: busy, congestion, normal, or a SIP status


class RejectStep(StepSpec):
    reject: int = Field(ge=300, le=699)


class EchoStep(StepSpec):
    echo: Literal[True]


class RecordStep(StepSpec):
    record: Record
    notice: Names = ()


class RecordPromptStep(StepSpec):
    record_prompt: str  # the name under which it is played from then on
    language: str = ""  # empty: the one that the caller hears


class SwitchStep(StepSpec):
    switch: str
    say: bool = False
    to: Literal["", "auto", "open", "closed"] = ""


class AgentStep(StepSpec):
    agent: str  # toggle-login, login, logout, toggle-pause, pause, ready, …


class FeatureStep(StepSpec):
    feature: str  # a feature code's action: forward-all-on, dnd-toggle, pickup …
    value: str = ""


class ParkStep(StepSpec):
    park: str | Literal[True]


class PickupStep(StepSpec):
    pickup: str


class PageStep(StepSpec):
    page: Names


class SuperviseStep(StepSpec):
    supervise: str  # an agent by name or number, or an endpoint
    mode: Literal["listen", "whisper", "barge", "take-over"] = "listen"


class SurveyStep(StepSpec):
    survey: str


class PriorityStep(StepSpec):
    priority: int


class SendDigitsStep(StepSpec):
    send_digits: str


VERBS: dict[str, type[StepSpec]] = {
    "answer": AnswerStep,
    "ring": RingStep,
    "play": PlayStep,
    "say": SayStep,
    "collect": CollectStep,
    "menu": MenuStep,
    "dial": DialStep,
    "queue": QueueStep,
    "voicemail": VoicemailStep,
    "voicemail-check": VoicemailCheckStep,
    "conference": ConferenceStep,
    "flow": FlowStep,
    "attempt": AttemptStep,
    "again": AgainStep,
    "repeat": RepeatStep,
    "when": WhenStep,
    "goto": GotoStep,
    "lookup": LookupStep,
    "set": SetStep,
    "need": NeedStep,
    "served": ServedStep,
    "language": LanguageStep,
    "wait": WaitStep,
    "hangup": HangupStep,
    "reject": RejectStep,
    "echo": EchoStep,
    "record": RecordStep,
    "record-prompt": RecordPromptStep,
    "switch": SwitchStep,
    "agent": AgentStep,
    "feature": FeatureStep,
    "park": ParkStep,
    "pickup": PickupStep,
    "page": PageStep,
    "supervise": SuperviseStep,
    "survey": SurveyStep,
    "priority": PriorityStep,
    "send-digits": SendDigitsStep,
}

# Keys that are an option of one verb and a verb of their own: the other verb decides.
_WEAK = ("record", "survey", "priority", "language", "number", "answer", "ring")


def verb_of(value: Any) -> str:
    """Return the verb of a step; a table without one is told apart by the loader's message."""
    if isinstance(value, StepSpec):
        return next(verb for verb, spec in VERBS.items() if type(value) is spec)
    if not isinstance(value, dict):
        return "not-a-table"
    verbs = [key for key in value if key in VERBS]
    strong = [verb for verb in verbs if verb not in _WEAK] or verbs
    return strong[0] if strong else "no-verb"


_AnyStep = Annotated[
    Annotated[AnswerStep, Tag("answer")]
    | Annotated[RingStep, Tag("ring")]
    | Annotated[PlayStep, Tag("play")]
    | Annotated[SayStep, Tag("say")]
    | Annotated[CollectStep, Tag("collect")]
    | Annotated[MenuStep, Tag("menu")]
    | Annotated[DialStep, Tag("dial")]
    | Annotated[QueueStep, Tag("queue")]
    | Annotated[VoicemailStep, Tag("voicemail")]
    | Annotated[VoicemailCheckStep, Tag("voicemail-check")]
    | Annotated[ConferenceStep, Tag("conference")]
    | Annotated[FlowStep, Tag("flow")]
    | Annotated[AttemptStep, Tag("attempt")]
    | Annotated[AgainStep, Tag("again")]
    | Annotated[RepeatStep, Tag("repeat")]
    | Annotated[WhenStep, Tag("when")]
    | Annotated[GotoStep, Tag("goto")]
    | Annotated[LookupStep, Tag("lookup")]
    | Annotated[SetStep, Tag("set")]
    | Annotated[NeedStep, Tag("need")]
    | Annotated[ServedStep, Tag("served")]
    | Annotated[LanguageStep, Tag("language")]
    | Annotated[WaitStep, Tag("wait")]
    | Annotated[HangupStep, Tag("hangup")]
    | Annotated[RejectStep, Tag("reject")]
    | Annotated[EchoStep, Tag("echo")]
    | Annotated[RecordStep, Tag("record")]
    | Annotated[RecordPromptStep, Tag("record-prompt")]
    | Annotated[SwitchStep, Tag("switch")]
    | Annotated[AgentStep, Tag("agent")]
    | Annotated[FeatureStep, Tag("feature")]
    | Annotated[ParkStep, Tag("park")]
    | Annotated[PickupStep, Tag("pickup")]
    | Annotated[PageStep, Tag("page")]
    | Annotated[SuperviseStep, Tag("supervise")]
    | Annotated[SurveyStep, Tag("survey")]
    | Annotated[PriorityStep, Tag("priority")]
    | Annotated[SendDigitsStep, Tag("send-digits")],
    Discriminator(verb_of),
]
# A named alias, so that its schema is built once and everything nested refers to it.
Step = TypeAliasType("Step", _AnyStep)

_SPECS: tuple[type[Spec], ...] = (Branches, StepSpec, *VERBS.values())
for _spec in _SPECS:
    _spec.model_rebuild(_types_namespace=globals())


__all__ = ["VERBS", "Branches", "Names", "Step", "StepSpec", "Steps", "verb_of"]
