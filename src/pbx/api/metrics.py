"""Prometheus metrics, made when asked for from what the rooms already count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Snapshot(Collector):
    """One scrape's figures."""

    def __init__(self, gauges: Mapping[str, tuple[str, float]], responses: Mapping[int, int]) -> None:
        self._gauges = gauges
        self._responses = responses

    def collect(self) -> Iterable[Metric]:
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
        family = CounterMetricFamily("pbx_sip_responses", "SIP responses by status", labels=["status"])
        for status, count in sorted(self._responses.items()):
            family.add_metric([str(status)], count)
        yield family


def render(gauges: Mapping[str, tuple[str, float]], responses: Mapping[int, int]) -> bytes:
    """Return the text of one scrape."""
    registry = CollectorRegistry()
    registry.register(Snapshot(gauges, responses))
    return generate_latest(registry)
