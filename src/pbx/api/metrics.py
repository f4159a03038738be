"""Prometheus metrics and health, made when asked for from what the rooms already know (docs/operation.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pbx.acd.agent import State as AgentState
from pbx.api import pulse
from pbx.api.contract import State
from pbx.api.tally import Histogram

LAG_LIMIT_S = 1.0  # a loop that is later than this serves nobody well
WAITING_LIMIT = 50_000  # events not yet on the disk
TICK_BOUNDS_S = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3)


class Snapshot(Collector):
    """One scrape."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        yield from self._calls()
        yield from self._media()
        yield from self._queues()
        yield from self._agents()
        yield from self._server()

    def _calls(self) -> Iterator[Metric]:
        state = self._state
        yield GaugeMetricFamily("pbx_calls", "Calls in progress", value=len(state.calls.calls))
        yield CounterMetricFamily("pbx_calls_started", "Calls that began", value=state.tally.started)
        ended = CounterMetricFamily("pbx_calls_ended", "Calls that ended, by cause", labels=["cause"])
        for cause, count in sorted(state.tally.ended.items()):
            ended.add_metric([cause], count)
        yield ended
        responses = CounterMetricFamily("pbx_sip_responses", "SIP responses by status", labels=["status"])
        for status, count in sorted(state.agent.stack.counters.responses.items()):
            responses.add_metric([str(status)], count)
        yield responses
        yield CounterMetricFamily(
            "pbx_sip_retransmitted", "SIP messages that we sent again", value=state.agent.stack.counters.retransmitted
        )
        yield GaugeMetricFamily("pbx_sip_dialogs", "Dialogs held", value=state.agent.stack.sizes["dialogs"])
        accounts = state.location.accounts()
        yield GaugeMetricFamily("pbx_registered_endpoints", "Endpoints that are registered", value=len(list(accounts)))
        trunks = GaugeMetricFamily("pbx_trunk_up", "Whether a trunk can be used", labels=["trunk"])
        for name, line in sorted(state.trunks.lines.items()):
            trunks.add_metric([name], float(line.state.value == "up"))
        yield trunks

    def _media(self) -> Iterator[Metric]:
        state, tally = self._state, self._state.tally
        live = [port.stats() for port in state.media.ports]
        lost = tally.lost + sum(stats.lost for stats in live)
        packets = tally.packets + sum(stats.packets_in for stats in live)
        yield GaugeMetricFamily("pbx_media_ports", "Media ports open", value=len(live))
        yield CounterMetricFamily("pbx_rtp_packets_received", "RTP packets received", value=packets)
        yield CounterMetricFamily("pbx_rtp_packets_lost", "RTP packets that never came", value=lost)
        yield _histogram("pbx_rtp_jitter_ms", "Jitter of each ended leg, milliseconds", tally.jitter_ms)
        yield _histogram("pbx_mos", "Estimated opinion score of each ended leg", tally.mos)
        yield CounterMetricFamily("pbx_media_cpu_seconds", "CPU time of the media threads", value=state.media.cpu_s)
        loads = GaugeMetricFamily(
            "pbx_media_thread_load", "Share of a core that a media thread takes", labels=["thread"]
        )
        for number, load in enumerate(state.media.loads):
            loads.add_metric([f"media-{number}"], load)
        yield loads
        bins, worst_ns, skipped_ms = state.media.lateness
        ticks = Histogram(TICK_BOUNDS_S)
        for index, count in enumerate(bins):
            late_s = (index + 1) * pulse.BIN_S
            ticks.total += count * (late_s - pulse.BIN_S / 2)
            ticks.seen += count
            for place, bound in enumerate(TICK_BOUNDS_S):
                ticks.counts[place] += count if late_s <= bound * 1.0001 else 0
        yield _histogram("pbx_media_tick_lateness_seconds", "How late media instants were worked off", ticks)
        yield GaugeMetricFamily(
            "pbx_media_tick_lateness_worst_seconds", "The latest media instant so far", value=worst_ns / 1e9
        )
        yield CounterMetricFamily("pbx_media_skipped_ms", "Milliseconds of media left out", value=skipped_ms)

    def _queues(self) -> Iterator[Metric]:
        state = self._state
        label = ["queue"]
        waiting = GaugeMetricFamily("pbx_queue_waiting", "Callers who wait", labels=label)
        longest = GaugeMetricFamily("pbx_queue_longest_wait_seconds", "Of who waits now", labels=label)
        level = GaugeMetricFamily(
            "pbx_queue_service_level", "Share answered in time, business day so far", labels=label
        )
        entered = GaugeMetricFamily("pbx_queue_entered_today", "Callers who entered, business day so far", labels=label)
        exits = GaugeMetricFamily(
            "pbx_queue_exits_today", "Exits by kind, business day so far", labels=["queue", "exit"]
        )
        totals = {
            word: GaugeMetricFamily(f"pbx_queue_{word}_today", f"Callers {word}, business day so far", labels=label)
            for word in ("answered", "abandoned", "overflowed")
        }
        for name, queue in state.desk.core.queues.items():
            callers = [entry.since for entry in queue.entries.values() if entry.callback is None]
            sums = state.today.queue(name)
            waiting.add_metric([name], len(callers))
            longest.add_metric([name], state.calls.now - min(callers) if callers else 0.0)
            entered.add_metric([name], sums.entered)
            if sums.service_level is not None:
                level.add_metric([name], sums.service_level)
            for exit, count in sums.exits.items():
                if exit != "waiting":
                    exits.add_metric([name, exit], count)
            totals["answered"].add_metric([name], sums.exits["answered"])
            totals["abandoned"].add_metric([name], sums.exits["abandoned"])
            totals["overflowed"].add_metric([name], state.today.overflowed.get(name, 0))
        yield from (waiting, longest, level, entered, exits, *totals.values())

    def _agents(self) -> Iterator[Metric]:
        states = Counter(agent.state for agent in self._state.desk.core.agents.values())
        family = GaugeMetricFamily("pbx_agents", "Agents by state", labels=["state"])
        for state in AgentState:
            family.add_metric([state.value], states[state])
        yield family

    def _server(self) -> Iterator[Metric]:
        state = self._state
        yield _histogram("pbx_event_loop_lag_seconds", "How late the event loop was", state.pulse.lag_s)
        yield GaugeMetricFamily(
            "pbx_event_loop_lag_worst_seconds", "The worst lag of the last minute", value=state.pulse.worst_s
        )
        yield CounterMetricFamily("pbx_cpu_seconds", "CPU time of the process", value=pulse.cpu_s())
        yield GaugeMetricFamily("pbx_memory_bytes", "Resident memory", value=pulse.memory_bytes())
        yield GaugeMetricFamily("pbx_log_waiting", "Events not yet durable", value=state.log.waiting)
        yield CounterMetricFamily("pbx_log_dropped", "Detail events that a stalled disk cost", value=state.log.dropped)
        yield GaugeMetricFamily("pbx_start_time_seconds", "When the server started", value=state.started_wall)


def _histogram(name: str, text: str, from_: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=from_.buckets(), sum_value=from_.total)


def scrape(state: State) -> bytes:
    """Return the text of one scrape."""
    registry = CollectorRegistry()
    registry.register(Snapshot(state))
    return generate_latest(registry)


def faults(state: State) -> list[str]:
    """Return what keeps this server from working as it should, for who decides whether to send it calls."""
    found = []
    if state.calls.draining:
        found.append("draining: new calls are refused")
    if state.log.failure:
        found.append(f"the log cannot be written: {state.log.failure}")
    if state.log.waiting > WAITING_LIMIT:
        found.append(f"{state.log.waiting} events wait for the disk")
    if state.pulse.worst_s > LAG_LIMIT_S:
        found.append(f"the event loop was {state.pulse.worst_s:.1f} s late within the last minute")
    found += [
        f"trunk {name} is {line.state.value}: {line.cause}"
        for name, line in state.trunks.lines.items()
        if line.state.value == "unreachable"
    ]
    return found
