"""Every name that the steps and tables use must exist."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pbx.config.base import Spec
from pbx.config.config import Config
from pbx.config.queues import Callback
from pbx.config.steps import (
    CollectStep,
    DialStep,
    FlowStep,
    GotoStep,
    LanguageStep,
    LookupStep,
    MenuStep,
    NeedStep,
    PlayStep,
    QueueStep,
    RecordPromptStep,
    RecordStep,
    StepSpec,
    SurveyStep,
    SwitchStep,
    VoicemailCheckStep,
    VoicemailStep,
)
from pbx.config.where import Finding, Where
from pbx.dialplan.checks.report import error, unknown, warning
from pbx.dialplan.prompts import PromptNames
from pbx.dialplan.walk import every_step, lists_of

AGENT_RIGHTS = ("supervise",)
GREETINGS = ("unavailable", "busy", "temporary", "none")
NO_PROMPT = "record it by phone, or bring a file: pbx prompts import FILE as NAME"


def names(config: Config, prompts: PromptNames) -> Iterator[Finding]:
    """Find names that nothing stands for."""
    checker = _Names(config, prompts)
    for _, steps in lists_of(config):
        for step in every_step(steps):
            yield from checker.step(step)
    yield from checker.tables()


class _Names:
    def __init__(self, config: Config, prompts: PromptNames) -> None:
        self._config = config
        self._prompts = prompts
        self._skills = {skill for agent in config.agents.values() for skill in agent.skills or ()} | {
            skill for team in config.teams.values() for skill in team.skills
        }

        self._recorded = {  # by phone, once the system runs
            step.record_prompt
            for _, steps in lists_of(config)
            for step in every_step(steps)
            if isinstance(step, RecordPromptStep)
        }

    # ---- steps -----------------------------------------------------------------------------------------------------

    def step(self, step: StepSpec) -> Iterator[Finding]:
        config = self._config
        match step:
            case DialStep():
                yield from self.targets(step, "dial", step.dial)
                yield from self.prompts(step, "whisper", step.whisper)
                yield from self.music(step, step.music)
            case PlayStep():
                yield from self.prompts(step, "play", step.play)
            case CollectStep():
                yield from self.prompts(step, "prompt", step.prompt)
                yield from self.prompts(step, "wrong", step.wrong)
            case RecordStep():
                yield from self.prompts(step, "notice", step.notice)
            case MenuStep():
                yield from self.one(step, "menu", "menu", step.menu, config.menus)
            case FlowStep():
                yield from self.one(step, "flow", "flow", step.flow, config.flows)
            case GotoStep():
                yield from self.one(step, "goto", "context", step.goto, config.contexts)
            case QueueStep():
                yield from self.one(step, "queue", "queue", step.queue, config.queues)
            case LookupStep():
                yield from self._lookup(step)
            case SwitchStep():
                yield from self.one(step, "switch", "switch", step.switch, config.switches)
            case SurveyStep():
                yield from self.one(step, "survey", "survey", step.survey, config.surveys)
            case VoicemailStep():
                yield from self._voicemail(step)
            case VoicemailCheckStep():
                yield from self.one(step, "voicemail_check", "mailbox", step.voicemail_check, self.mailboxes())
            case LanguageStep() if "{" not in step.language and step.language not in self._prompts.languages:
                yield unknown(step.where_of("language"), "prompts in", step.language, self._prompts.languages)
            case NeedStep():
                yield from self._need(step)

    def one(self, spec: Spec, field: str, what: str, name: str, known: Collection[str]) -> Iterator[Finding]:
        if "{" not in name and name not in known:
            yield unknown(spec.where_of(field), what, name, known)

    def prompts(self, spec: Spec, field: str, wanted: Sequence[str]) -> Iterator[Finding]:
        for name in wanted:
            if "{" in name or name in self._prompts.names:
                continue
            if name in self._recorded:
                yield warning(
                    spec.where_of(field), f'the prompt "{name}" is not recorded yet', "call the route that records it"
                )
            else:
                yield unknown(spec.where_of(field), "prompt", name, self._prompts.names, NO_PROMPT)

    def music(self, spec: Spec, name: str) -> Iterator[Finding]:
        """Find music that is not there: who waits would hear silence."""
        if name and "{" not in name and not {name, f"music/{name}"} & {"default", *self._prompts.names}:
            yield warning(
                spec.where_of("music"),
                f'there is no music "{name}": who waits hears nothing',
                f"put {name}.wav into prompts/music, or leave the default",
            )

    def mailboxes(self) -> list[str]:
        own = [number for number, endpoint in self._config.endpoints.items() if endpoint.voicemail is not None]
        return [*self._config.mailboxes, *own]

    def _voicemail(self, step: VoicemailStep) -> Iterator[Finding]:
        if "{" not in step.voicemail and step.voicemail not in self.mailboxes():
            endpoint = step.voicemail in self._config.endpoints
            cure = f"give endpoint {step.voicemail} voicemail = {{}}" if endpoint else ""
            yield unknown(step.where_of("voicemail"), "mailbox", step.voicemail, self.mailboxes() or [], cure)
        if step.greeting not in GREETINGS:
            yield from self.prompts(step, "greeting", (step.greeting,))

    def _lookup(self, step: LookupStep) -> Iterator[Finding]:
        spec = self._config.lookups.get(step.lookup)
        if spec is None:
            yield unknown(step.where_of("lookup"), "lookup", step.lookup, self._config.lookups)
            return
        outcomes = {"error", "else", *(spec.outcome.values if spec.outcome is not None else ("ok",))}
        for outcome in step.on or {}:
            if outcome not in outcomes:
                yield unknown(step.where_of("on"), f"outcome of lookup {step.lookup}:", outcome, sorted(outcomes))

    def _need(self, step: NeedStep) -> Iterator[Finding]:
        for skill in step.need:
            if skill not in self._skills:
                yield warning(
                    step.where_of("need"),
                    f'nobody has the skill "{skill}"',
                    "give it to an agent, or who needs it waits until the queue lets go",
                )

    def targets(self, spec: Spec, field: str, targets: Sequence[str]) -> Iterator[Finding]:
        for target in targets:
            yield from self._target(spec.where_of(field), target)

    def _target(self, where: Where, target: str) -> Iterator[Finding]:
        room, slash, name = target.partition("/")
        rooms: dict[str, Collection[str]] = {
            "endpoint": self._config.endpoints,
            "trunk": self._config.trunks,
            "group": self._config.groups,
            "agent": self._config.agents,
            "rota": self._config.rotas,
        }
        if "{" in room:
            return
        if not slash or room not in rooms:
            cure = f"write endpoint/{target}" if target in self._config.endpoints else "write endpoint/N or trunk/NAME"
            yield error(where, f'"{target}" is nothing to dial', cure)
        elif "{" not in name and (first := name.partition("/")[0]) not in rooms[room]:
            yield unknown(where, room, first, rooms[room])

    # ---- tables ----------------------------------------------------------------------------------------------------

    def tables(self) -> Iterator[Finding]:
        config = self._config
        lost: dict[tuple[Where, str], list[str]] = {}  # a range has one place
        for number, endpoint in config.endpoints.items():
            if endpoint.context not in config.contexts:
                lost.setdefault((endpoint.where_of("context"), endpoint.context), []).append(number)
        for (where, missing), numbers in lost.items():
            others = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
            cure = "" if missing else 'write context = "…" at it or in [endpoint-defaults]'
            yield unknown(where, f"context for endpoint {numbers[0]}{others}:", missing, config.contexts, cure)
        for name, trunk in config.trunks.items():
            if trunk.context and trunk.context not in config.contexts:
                yield unknown(trunk.where_of("context"), f"context for trunk {name}:", trunk.context, config.contexts)
        for spec in config.contexts.values():
            for included in spec.include:
                yield from self.one(spec, "include", "context", included, config.contexts)
        for endpoint in config.endpoints.values():
            if endpoint.site:
                yield from self.one(endpoint, "site", "trunk", endpoint.site, config.trunks)
            for secretary in endpoint.secretary:
                yield from self.one(endpoint, "secretary", "endpoint", secretary, config.endpoints)
        for phone in config.phones.values():
            yield from self.one(phone, "endpoint", "endpoint", phone.endpoint, config.endpoints)
        for group in config.groups.values():
            yield from self.targets(group, "members", group.members)
        for rota in config.rotas.values():
            yield from self.targets(rota, "people", list(rota.people.values()))
            for person in rota.order:
                yield from self.one(rota, "order", "person in this rota:", person, rota.people)
        for switch in config.switches.values():
            yield from self.targets(switch, "allow", switch.allow)
        for box in config.mailboxes.values():
            yield from self.targets(box, "lamps", box.lamps)
        emergency = config.emergency
        for trunk_name in emergency.trunks:
            yield from self.one(emergency, "trunks", "trunk", trunk_name, config.trunks)
        yield from self.targets(emergency, "notify", emergency.notify)
        yield from self._menus()
        yield from self._queues()
        yield from self._agents()
        yield from self._lookups()

    def _menus(self) -> Iterator[Finding]:
        for menu in self._config.menus.values():
            yield from self.prompts(menu, "prompt", menu.prompt)
            yield from self.prompts(menu, "wrong", menu.wrong)
            if menu.extensions:
                yield from self.one(menu, "extensions", "context", menu.extensions, self._config.contexts)
        for survey in self._config.surveys.values():
            yield from self.prompts(survey, "prompt", survey.prompt)
            yield from self.prompts(survey, "thanks", survey.thanks)
        for code in self._config.agent_codes.values():
            yield from self.one(code, "flow", "flow", code.flow, self._config.flows)
            yield from self.prompts(code, "tell_agent", code.tell_agent)

    def _queues(self) -> Iterator[Finding]:
        config = self._config
        for name, queue in config.queues.items():
            if queue.hours:
                yield from self.one(queue, "hours", "calendar", queue.hours, config.calendars)
            if queue.survey:
                yield from self.one(queue, "survey", "survey", queue.survey, config.surveys)
            yield from self.music(queue, queue.music)
            yield from self.prompts(queue, "notice", queue.notice)
            yield from self.prompts(queue, "whisper", queue.whisper)
            if queue.announce is not None:
                yield from self.prompts(queue.announce, "prompts", queue.announce.prompts)
            if queue.callback is not None and queue.callback.key in queue.exit_keys:
                what = f"queue {name}: key {queue.callback.key} asks for a callback and leaves the queue"
                yield warning(queue.where_of("exit_keys"), what, "give the callback or the exit another key")
            if queue.callback is not None:
                yield from self._callback(name, queue.callback)

    def _callback(self, queue: str, callback: Callback) -> Iterator[Finding]:
        yield from self.prompts(callback, "prompt", callback.prompt)
        if callback.trunk:
            yield from self.one(callback, "trunk", "trunk", callback.trunk, self._config.trunks)
        else:
            cure = 'add trunk = "…" to its callback'
            yield error(callback.where, f"queue {queue}: nobody can be called back without a trunk", cure)

    def _agents(self) -> Iterator[Finding]:
        config = self._config
        numbers: dict[str, str] = {}
        for name, agent in config.agents.items():
            if agent.id and (other := numbers.setdefault(agent.id, name)) != name:
                cure = "give each a number of their own: it is typed to log in"
                yield error(agent.where_of("id"), f"agents {other} and {name} have the same id {agent.id}", cure)
            if agent.endpoint:
                yield from self.one(agent, "endpoint", "endpoint", agent.endpoint, config.endpoints)
            if agent.contact:
                yield from self.targets(agent, "contact", (agent.contact,))
            if agent.team:
                yield from self.one(agent, "team", "team", agent.team, config.teams)
            for right in agent.rights:
                if right not in AGENT_RIGHTS:
                    yield unknown(agent.where_of("rights"), "right of agents", right, AGENT_RIGHTS)
            for queue in agent.queues or ():
                yield from self.one(agent, "queues", "queue", queue, config.queues)
        for team in config.teams.values():
            for who in team.supervisors:
                if who not in config.agents and who.removeprefix("endpoint/") not in config.endpoints:
                    known = (*config.agents, *config.endpoints)
                    yield unknown(team.where_of("supervisors"), "agent or endpoint", who, known)
            for queue in team.queues:
                yield from self.one(team, "queues", "queue", queue, config.queues)

    def _lookups(self) -> Iterator[Finding]:
        kinds = ("text", "number", "truth", "agent", "date", "time")
        for lookup in self._config.lookups.values():
            if not lookup.url.startswith(("http://", "https://")):
                yield error(lookup.where_of("url"), f'"{lookup.url}" is no address', "write http://… or https://…")
            for kind in lookup.fields.values():
                if isinstance(kind, str) and kind not in kinds:
                    yield unknown(lookup.where_of("fields"), "type of field", kind, kinds)
            if lookup.outcome is not None and lookup.outcome.field not in lookup.fields:
                yield unknown(lookup.outcome.where_of("field"), "field", lookup.outcome.field, lookup.fields)
