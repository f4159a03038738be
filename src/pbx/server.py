"""The composition root: the only module that knows every room."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from pbx import __version__
from pbx import events as ev
from pbx.alerts import Alerts, Figures, live_figures
from pbx.api.http import Control
from pbx.api.pulse import Pulse
from pbx.apps.desk import HEARD as DESK_HEARD
from pbx.apps.desk import Desk
from pbx.apps.desk_store import KeptDesk
from pbx.apps.mailboxes import FileMailboxes
from pbx.apps.timed import Timed
from pbx.attendance import Attendance
from pbx.call.calls import Calls
from pbx.config.config import Config
from pbx.config.secrets import endpoint_secrets, provisioning_key, trunk_secrets
from pbx.dialplan.http import HttpLookups
from pbx.dialplan.prompts import shipped_folders
from pbx.dialplan.queueing import recording_rule
from pbx.dialplan.router import Dialplan
from pbx.dialplan.targets import PlanTargets
from pbx.following import Following
from pbx.furnishing import furnish, media_wishes
from pbx.housekeeping import Housekeeping, every_second, settle_collector, transactions
from pbx.keeping import Keeping
from pbx.lamps import light
from pbx.media.engine import Engine
from pbx.media.prompts import Prompts
from pbx.post import Post
from pbx.postroom import HEARD as POST_HEARD
from pbx.postroom import Postroom
from pbx.provision.http import PhoneSettings
from pbx.reloading import Reloader, checked
from pbx.signaling.agent import UserAgent
from pbx.signaling.destinations import Destinations
from pbx.signaling.gate import AccountGate
from pbx.signaling.keepalive import KeepAlive
from pbx.signaling.line import State as TrunkState
from pbx.signaling.messages import Messages
from pbx.signaling.registrar import Registrar
from pbx.signaling.resolver import Dns
from pbx.signaling.trace import Trace
from pbx.signaling.transports import Transports
from pbx.signaling.trunk import Trunks
from pbx.sip.digest import Nonces
from pbx.sip.location import Location
from pbx.sip.message import Flow
from pbx.sip.stack import Ids
from pbx.store.bindings import Bindings, nonce_key
from pbx.store.configs import Configs
from pbx.store.database import Log
from pbx.store.reader import Reader
from pbx.store.settings import Settings

log = logging.getLogger(__name__)

DRAIN_S = 5.0


class Server(Following):
    """One running system."""

    def __init__(self, directory: Path, state: Path | None = None) -> None:
        self.directory = directory
        self.base = state or directory  # where var/… paths start
        loaded = checked(directory)
        self.config: Config = loaded.valid()
        self._loaded = loaded
        self.findings = loaded.findings
        self.secrets = endpoint_secrets(self.config, self.base, os.environ, make=True)
        self.version = __version__
        self.started_wall = time.time()
        self._stop = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        self._opened = contextlib.AsyncExitStack()

    # ---- what the API sees -----------------------------------------------------------------------------------------

    @property
    def location(self) -> Location:
        return self.registrar.location

    def status(self) -> dict[str, object]:
        """Show what this server is and how it is."""
        return {
            "version": self.version,
            "pid": os.getpid(),
            "directory": str(self.directory),
            "uptime_s": round(time.time() - self.started_wall, 1),
            "listening": self.transports.listening,
            "calls": len(self.calls.calls),
            "registrations": sum(len(self.location.bindings(a, time.time())) for a in self.location.accounts()),
            "media_ports": len(self.media.ports),
            "stack": self.agent.stack.sizes,
            "clean_ups": self.housekeeping.done,
            "retransmitted": self.agent.stack.counters.retransmitted,
            "log_waiting": self.log.waiting,
        }

    def shut_down(self) -> None:
        """Stop in order, as on SIGTERM."""
        self._stop.set()

    # ---- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open everything; what a failure leaves open is closed again.

        :raises ConfigError, StoreError, PbxError: with one clear line.
        """
        try:
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise

    async def _start(self) -> None:
        ids = Ids()
        self._open_log()
        self._open_signaling(ids)
        self._open_media()
        self._open_calls(ids)
        self._follow(self.config, self.secrets)
        self._serve_phones()
        interrupted = self._note_start()
        self._open_desk(ids.integer(1, 2**31 - 1))
        await self._open_books()
        await self._watch()
        await self._open_doors()
        self._opened.callback(asyncio.get_running_loop().create_task(every_second(self._duties())).cancel)
        for module in ("bridge", "dial"):  # imported where they are used: not while the first caller waits
            importlib.import_module(f"pbx.call.{module}")
        settle_collector()
        if self.log.unclean:
            log.warning("the run before this one did not stop in order: %d calls were interrupted", interrupted)
        log.info("ready: %s; %d registrations restored", ", ".join(self.transports.listening), self._restored)

    def _open_log(self) -> None:
        self.log = Log(self.base / self.config.store.path, time.time, time.monotonic)
        self.log.start(self.version)
        self._opened.push_async_callback(self.log.stop)
        self.keeping = Keeping(self.log, lambda: self.config, self.base)
        self.tally, self.today, self.archive = self.keeping.tally, self.keeping.today, self.keeping.archive
        self._day = self.today.begins

    def _open_signaling(self, ids: Ids) -> None:
        """Make the stack and who stands around it: the gate, the registrar, the trunks."""
        config = self.config
        self.transports = ways = Transports(config.sip, self.base)
        nonces = Nonces(nonce_key(self.log))
        self.gate = AccountGate(config.sip.domain, nonces, ids, time.time, self._auth_failed)
        self.housekeeping = Housekeeping(lambda: transactions(self.agent.stack.sizes))
        self.agent = UserAgent(ways, self.gate, ids, user_agent=config.sip.user_agent)
        self.agent.trace = Trace(time.time)
        self.housekeeping.packers.append(self.agent.trace.pack)
        self.registrar = Registrar(
            Bindings(self.log), self.log.append, time.time, lambda n: self.config.endpoints[n].max_contacts
        )
        self.registrar.moved.append(self.agent.stack.flow_moved)
        self._restored = self.registrar.restore()
        self.keep_alive = KeepAlive(
            self.location, self.agent.stack, time.time, ways.is_local, ways.advertised, ways.send
        )
        self.trunks = Trunks(
            config.trunks,
            trunk_secrets(config, self.base, os.environ),
            self.agent.stack,
            ways,
            Dns(),
            self.log.append,
            lambda: self.agent.now,
            self.agent.pump,
        )
        self.destinations = Destinations(
            config, self.location, self.trunks, lambda party: self.agent.active[party], time.time
        )
        self.attendance = Attendance(
            lambda: self.config, self.agent, self.destinations, self.location, self.log.append, self.keep_alive
        )
        self.registrar.changed.append(self.attendance.registered)

    def _open_media(self) -> None:
        media = self.config.media
        first, _, last = media.ports.partition("-")
        self.media = Engine(int(first), int(last), threads=media.threads, country=media.tones)
        self.media.start()
        self._opened.callback(self.media.stop)

    def _open_calls(self, ids: Ids) -> None:
        """Make what calls go by: the dialplan, and what its steps use."""
        config = self.config
        self.equipment = furnish(lambda: self.config, self.base, self.log)
        if isinstance(self.equipment.lookups, HttpLookups):
            self._opened.push_async_callback(self.equipment.lookups.close)
        targets = PlanTargets(
            lambda: self.config,
            self.destinations,
            time.time,
            lambda agent: self.desk.seat_of(agent),
            self.equipment.forwards.disturb_not,
        )
        plan = Dialplan(config, self.equipment)
        self.calls = Calls(self.agent, self.media, plan, targets, self.log.append, ids, time.time, config.media.codecs)
        self.calls.is_full = self._is_full
        self.calls.name_of = lambda party: getattr(self.config.party(party), "name", "")
        self.calls.wishes = lambda party: media_wishes(self.config, party)
        own = (self.base / "var" / "prompts", self.directory / "prompts")
        self.calls.prompts = Prompts([*own, *shipped_folders()])

    async def _open_books(self) -> None:
        """Note with which configuration this run begins, and open the log for who reads it."""
        self.reloader = Reloader(
            self.directory, self._loaded, Configs(self.log), self._prepare, self.log.append, self._set_by_day
        )
        await self.reloader.note_start()
        await self.log.durable()
        self.reader = Reader(self.log.path)
        await self.reader.start()
        self._opened.push_async_callback(self.reader.stop)
        self.equipment.earlier_caller = self.reader.last_caller

    async def _open_doors(self) -> None:
        """Let the network in: SIP, the control protocol, phones that fetch their settings."""
        config, opened = self.config, self._opened
        opened.callback(self.agent.stop)
        assert self.agent.subscriptions is not None
        await self.transports.start(self.agent.receive, self._flow_closed, self.agent.broken)
        opened.push_async_callback(self.transports.stop)
        opened.callback(self.agent.pump)
        opened.callback(self.agent.subscriptions.stop)
        self.control = Control(self)
        opened.push_async_callback(self.control.stop)
        self.housekeeping.caches.append(self.control.feed.forget)
        await self.control.start(self.base / config.control.socket, config.control.http)
        if config.provisioning is not None:
            key = provisioning_key(config.provisioning, self.base, os.environ)
            settings = PhoneSettings(lambda: self.config, lambda: self.secrets, key, self.directory / "provision")
            opened.push_async_callback(settings.stop)
            await settings.start(config.provisioning.http)

    async def _watch(self) -> None:
        """Begin to count what the API shows."""
        self.pulse = Pulse()
        self.pulse.start()
        self._opened.callback(self.pulse.stop)
        await self.keeping.start(self.reader)
        self._opened.push_async_callback(self.keeping.stop)
        self.post = Post(lambda: self.config.mail)
        self._opened.push_async_callback(self.post.close)
        if isinstance(boxes := self.equipment.mailboxes, FileMailboxes):
            postroom = Postroom(lambda: self.config, boxes, self.post, self.log.append, time.time)
            self.log.hear(postroom.take, POST_HEARD)
            postroom.start()
            self._opened.callback(postroom.stop)
        self.alerts = Alerts(lambda: self.config, self._figures, self.post, self.log.append, time.time)
        self.timed = Timed(self.desk, Settings(self.log, "until:"), time.time)
        self.timed.start()
        self._opened.callback(self.timed.stop)

    # ---- who serves whom ------------------------------------------------------------------------------------------

    def _open_desk(self, seed: int) -> None:
        """Begin to serve queues, with agents as they were."""
        self.desk = Desk(
            self.config,
            self.calls,
            self.log.append,
            seed=seed,
            store=KeptDesk(Settings(self.log, "desk:")),
            wall=time.time,
            is_reachable=self.attendance.is_there,
        )
        self.equipment.desk = self.desk
        self.equipment.agent_day = self.today.agent
        self.desk.recording_of = lambda queue: recording_rule(lambda: self.config, self.equipment, queue)
        self.log.hear(lambda logged: self.desk.observe(logged.event), DESK_HEARD)
        self.attendance.changed.append(self.desk.endpoint_changed)
        self.desk.start()
        self._opened.callback(self.desk.stop)

    def _serve_phones(self) -> None:
        """Say who answers which requests."""
        agent = self.agent
        agent.on_invite = self.calls.invited
        agent.on_register = lambda request, transaction, source: self.registrar.handle(
            request, transaction, source, agent.respond
        )
        messages = Messages(agent.stack, self.destinations, self.config.sip.domain, lambda: agent.now)
        agent.on_message = messages.handle
        there = self.attendance.is_there
        self.notices = light(lambda: self.config, agent, self.calls, self.equipment, self.log, self.destinations, there)

    def _note_start(self) -> int:
        self.log.append(ev.ServerStarted(version=self.version, pid=os.getpid(), unclean=self.log.unclean))
        self.log.append(ev.ConfigSwapped(digest=self._loaded.digest, by="start"))
        return self.keeping.end_what_is_open()

    async def serve(self, ready: Callable[[Server], None] = lambda server: None) -> None:
        """Start, tell *ready*, and run until SIGTERM or SIGINT.

        :raises ConfigError: when the configuration or a listener cannot be used.
        """
        await self.start()
        ready(self)
        await self.run()

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        await self._stop.wait()
        log.info("stopping: %d calls in progress", len(self.calls.calls))
        await self.stop()

    def _hung_up(self) -> None:
        """SIGHUP: reload."""
        self._reloading = asyncio.get_running_loop().create_task(self.reload("SIGHUP"))

    async def stop(self) -> None:
        """Hang up, write everything, close."""
        self.calls.draining = True
        self.calls.end_all("lost")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.calls.drained()
        self.log.append(ev.ServerStopped(cause="signal"))
        await self._opened.aclose()
        (self.base / self.config.control.socket).unlink(missing_ok=True)

    def _auth_failed(self, source: str, account: str, method: str) -> None:
        self.log.append(ev.AuthFailed(source=source, account=account[:80], method=method))

    def _is_full(self, party: str) -> bool:
        """Whether a trunk has more calls than it may, the one that asks included."""
        room, _, name = party.partition("/")
        spec = self.config.trunks.get(name) if room == "trunk" else None
        return spec is not None and self.agent.active[party] > spec.max_calls

    def _flow_closed(self, flow: Flow) -> None:
        self.registrar.flow_closed(flow)
        self.trunks.flow_closed(flow)
        self.agent.flow_closed(flow)

    # ---- every second ----------------------------------------------------------------------------------------------

    def _duties(self) -> list[Callable[[], object]]:
        return [
            self.registrar.expire,
            self.keep_alive.tick,
            self.attendance.tick,
            self.trunks.tick,
            self.housekeeping.look,
            lambda: self.desk.follow_hours(self._queue_is_open),
            lambda: self.calls.end_overdue(self.config.limits.longest_call_s),
            lambda: self.alerts.look(self.agent.now),
            self._follow_day,
        ]

    def _follow_day(self) -> None:
        if self.today.begins != self._day:
            self._day = self.today.begins
            self.desk.day_began()

    def _queue_is_open(self, queue: str) -> bool:
        hours, plan = self.config.queues[queue].hours, self.calls.router
        assert isinstance(plan, Dialplan)
        return not hours or plan.calendars.open(hours, plan.now)

    def _figures(self) -> Figures:
        now, location = time.time(), self.location
        registered = sum(len(location.bindings(account, now)) for account in location.accounts())
        down = sum(line.state not in (TrunkState.UP, TrunkState.DISABLED) for line in self.trunks.lines.values())
        return live_figures(self.desk, self.today, len(self.calls.calls), registered, down)
