"""Steps that a caller hears or types into: answer, play, say, collect, voicemail, conference, echo, switches."""

from __future__ import annotations

import asyncio

from pbx import events as ev
from pbx.apps.conference import Terms
from pbx.apps.dictation import dictate
from pbx.apps.outcome import Unreachable
from pbx.apps.voicemail import check_mailbox, leave_message
from pbx.call import audio
from pbx.config.steps import (
    AnswerStep,
    CollectStep,
    ConferenceStep,
    EchoStep,
    HangupStep,
    LanguageStep,
    NeedStep,
    PlayStep,
    PriorityStep,
    RecordPromptStep,
    RecordStep,
    RejectStep,
    RingStep,
    SayStep,
    SendDigitsStep,
    ServedStep,
    SetStep,
    SwitchStep,
    VoicemailCheckStep,
    VoicemailStep,
    WaitStep,
)
from pbx.dialplan.script import Finished, Script, runs
from pbx.dialplan.summoning import summon
from pbx.dialplan.values import as_text
from pbx.errors import MediaError

HANGUP_STATUSES = {"busy": 486, "congestion": 503, "normal": 480}
NEXT_STATE = {"auto": "open", "open": "closed", "closed": "auto"}


@runs(AnswerStep)
async def answer(script: Script, step: AnswerStep) -> None:
    script.tell("", step)
    await script.leg.answer()


@runs(RingStep)
async def ring(script: Script, step: RingStep) -> None:
    script.tell("ring", step)
    script.leg.ring()
    await asyncio.sleep(step.for_s)


@runs(PlayStep)
async def play(script: Script, step: PlayStep) -> None:
    names = script.fill_all(step.play)
    script.tell(f"play {' '.join(names)}{' loop' if step.loop else ''}", step)
    await audio.play(script.leg, names, loop=step.loop, early=step.early)


@runs(SayStep)
async def say(script: Script, step: SayStep) -> None:
    value = script.fill(step.say)
    script.tell(f"say {step.as_} {value}", step)
    try:
        await audio.say(script.leg, value, step.as_, script.fill(step.unit), early=step.early)
    except ValueError as error:
        script.leg.log.warning("x say: %s", error)
        await script.branch(step, "error")


@runs(CollectStep)
async def collect(script: Script, step: CollectStep) -> None:
    """Read digits into a variable; too few, tries times, is a time-out."""
    script.tell("", step)
    prompts = script.fill_all(step.prompt)
    for turn in range(step.tries):
        typed = await audio.collect(
            script.leg,
            prompts if turn == 0 else [*script.fill_all(step.wrong), *prompts],
            most=step.digits,
            end=step.end,
            wait_s=step.wait_s,
            next_s=step.next_s,
            secret=step.secret,
            early=step.early,
        )
        if len(typed.digits) >= step.min_digits:
            script.values.set(step.collect, typed.digits)
            script.tell(f"collect {step.collect}" if step.secret else f"collect {step.collect} {typed.digits}")
            return
        script.tell("silence" if not typed.digits else "wrong")
    script.values.set(step.collect, "")
    script.tell("timeout")
    await script.branch(step, "timeout")


@runs(VoicemailStep)
async def voicemail(script: Script, step: VoicemailStep) -> None:
    mailbox = script.fill(step.voicemail)
    script.tell("", step)
    equipment = script.plan.equipment
    if equipment.mailboxes.limits(mailbox) is None:
        script.leg.log.info("x no mailbox %s", mailbox)
        await script.follow(step, Unreachable())
        return
    await script.leg.answer()
    script.tell(f"voicemail {mailbox}")
    greeting = script.fill(step.greeting)
    boxes, wall = equipment.mailboxes, equipment.wall
    await script.follow(step, await leave_message(script.leg, mailbox, greeting, boxes, script.emit, wall))


@runs(VoicemailCheckStep)
async def voicemail_check(script: Script, step: VoicemailCheckStep) -> None:
    mailbox = script.fill(step.voicemail_check)
    script.tell(f"voicemail-check {mailbox}", step)
    own, box = str(script.values["endpoint"]), script.plan.config.mailboxes.get(mailbox)
    shared = box is not None and own in (lamp.removeprefix("endpoint/") for lamp in box.lamps)
    trusted = bool(mailbox and own) and (mailbox == own or shared)
    boxes = script.plan.equipment.mailboxes
    await script.follow(step, await check_mailbox(script.leg, mailbox, boxes, script.emit, trusted=trusted))


@runs(ConferenceStep)
async def conference(script: Script, step: ConferenceStep) -> None:
    name = script.fill(step.conference)
    script.tell("", step)
    spec = script.plan.config.conferences.get(name)
    await script.leg.answer()
    script.tell(f"conference {name}")
    terms = Terms(
        most=step.max or (spec.max if spec is not None else 0),
        pin=script.fill(step.pin) or (spec.pin if spec is not None else ""),
        moderator_pin=spec.moderator_pin if spec is not None else "",
        announce=step.announce,
        muted=step.muted,
        moderator=step.moderator,
        record=step.record or (spec is not None and spec.record),
        path=script.plan.equipment.recording_path,
        summon=lambda leg, number: summon(script, name, leg, number),
    )
    await script.follow(step, await script.plan.equipment.rooms.join(script.leg, name, terms))


@runs(EchoStep)
async def echo(script: Script, step: EchoStep) -> None:
    script.tell("echo", step)
    await script.leg.echo()


@runs(HangupStep)
async def hangup(script: Script, step: HangupStep) -> None:
    cause = script.fill(step.hangup) if isinstance(step.hangup, str) else "normal"
    script.tell(f"hangup {cause}", step)
    status = int(cause) if cause.isdigit() else HANGUP_STATUSES.get(cause, 480)
    script.leg.reject(status)
    raise Finished


@runs(RejectStep)
async def reject(script: Script, step: RejectStep) -> None:
    script.tell("", step)
    script.leg.reject(step.reject)
    raise Finished


@runs(SetStep)
async def set_(script: Script, step: SetStep) -> None:
    for name, value in step.set.items():
        script.values.set(name, script.fill(value) if isinstance(value, str) else value)
    script.tell("set " + " ".join(f"{name} {as_text(script.values[name])}" for name in step.set), step)


@runs(NeedStep)
async def need(script: Script, step: NeedStep) -> None:
    for skill, level in step.need.items():
        script.needs[skill] = level
        script.firm_needs.discard(skill)
        if not step.relax:
            script.firm_needs.add(skill)
    script.tell("need " + " ".join(f"{skill} {level}" for skill, level in step.need.items()), step)


@runs(PriorityStep)
async def priority(script: Script, step: PriorityStep) -> None:
    script.priority += step.priority
    script.tell(f"priority {step.priority}", step)


@runs(ServedStep)
async def served(script: Script, step: ServedStep) -> None:
    script.tell("", step)
    script.emit(ev.CallServed(call_id=script.leg.call_id, leg_id=script.leg.leg_id, what=script.fill(step.served)))


@runs(LanguageStep)
async def language(script: Script, step: LanguageStep) -> None:
    script.leg.language = script.fill(step.language)
    script.values.set("language", script.leg.language)
    script.tell(f"language {script.leg.language}", step)


@runs(WaitStep)
async def wait(script: Script, step: WaitStep) -> None:
    script.tell(f"wait {step.wait:g}", step)
    await asyncio.sleep(step.wait)


@runs(RecordStep)
async def record(script: Script, step: RecordStep) -> None:
    script.leg.variables["record"] = step.record
    script.tell(f"record {step.record}", step)
    if step.notice:
        await audio.play(script.leg, script.fill_all(step.notice))


@runs(SendDigitsStep)
async def send_digits(script: Script, step: SendDigitsStep) -> None:
    digits = script.fill(step.send_digits)
    script.tell(f"send-digits {digits}", step)
    await script.leg.answer()
    script.leg.send_digits(digits)


@runs(RecordPromptStep)
async def record_prompt_(script: Script, step: RecordPromptStep) -> None:
    """Let somebody record a prompt; whoever may not is kept out by the route's right or a PIN before it."""
    name, shelf = script.fill(step.record_prompt), script.plan.equipment.prompts
    language = script.fill(step.language) or script.leg.language or script.leg.default_language
    script.tell(f"record-prompt {name}", step)
    draft = shelf.draft(script.leg.call_id)
    try:
        kept = await dictate(script.leg, draft)
        if kept:
            await shelf.keep(draft, name, language)
    except MediaError as error:
        script.leg.log.warning("x %s", error)
        await script.branch(step, "error")
        return
    finally:  # whoever hangs up has recorded nothing
        shelf.discard(draft)
    if not kept:
        await script.branch(step, "timeout")
        return
    script.tell(f"prompt {name} recorded")
    await audio.play(script.leg, "record-kept")


@runs(SwitchStep)
async def switch(script: Script, step: SwitchStep) -> None:
    """Turn a switch, where this phone may; say the state that it has then."""
    script.tell("", step)
    if await turn_switch(script, script.fill(step.switch), to=step.to, say=step.say):
        return
    await script.branch(step, "declined")
    if step.say:
        await audio.play(script.leg, "not-allowed")


async def turn_switch(script: Script, name: str, *, to: str = "", say: bool) -> bool:
    """Turn a switch to its next state, or *to* one; False where this phone may not."""
    by = script.values.source
    if by not in script.plan.config.switches[name].allow:
        script.leg.log.info("x %s may not turn the switch %s", by, name)
        script.tell(f"switch {name} declined")
        return False
    state = to or NEXT_STATE[script.plan.switch(name)]
    script.plan.equipment.switches.turn(name, state, by=by, call_id=script.leg.call_id)
    script.tell(f"switch {name} {state}")
    if say:
        await audio.play(script.leg, f"switch-{state}")
    return True
