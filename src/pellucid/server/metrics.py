"""Numbers for Prometheus under /metrics; no label ever holds a name, an identifier or an address."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from pellucid.access.door import door
from pellucid.archive import Stored
from pellucid.dimse.tables import DeliveryRow

if TYPE_CHECKING:
    from pellucid.server.platform import Platform

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metrics:
    """The numbers of one server."""

    def __init__(self, platform: Platform) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "pellucid_http_requests",
            "Requests that were answered, by route and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "pellucid_http_request_duration_seconds",
            "Time to the end of the answer, by route",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "pellucid_http_requests_in_flight", "Requests being answered now", registry=self.registry
        )
        self._instances = Counter(
            "pellucid_stored_instances", "New instances stored, by door", ("door",), registry=self.registry
        )
        self._bytes = Counter(
            "pellucid_stored_bytes", "Bytes of new instances stored, by door", ("door",), registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(_State(platform))
        platform.archive.on_store.append(self._on_store)
        self._elsewhere = platform.stored_elsewhere
        self._noted = (0, 0)
        self._lock = threading.Lock()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        with self._lock:
            instances, size = map(sum, zip((0, 0), *(stored() for stored in self._elsewhere), strict=True))
            self._instances.labels("dimse").inc(max(0, instances - self._noted[0]))
            self._bytes.labels("dimse").inc(max(0, size - self._noted[1]))
            self._noted = instances, size
        return generate_latest(self.registry)

    def _on_store(self, session: Session, stored: Sequence[Stored]) -> None:
        """Count what is stored once its transaction is: one that fails has stored nothing."""
        name, instances, size = door(), len(stored), sum(one.size for one in stored)

        def committed(_session: Session) -> None:
            self._instances.labels(name).inc(instances)
            self._bytes.labels(name).inc(size)

        event.listen(session, "after_commit", committed, once=True)


class _State(Collector):
    """What is counted when it is asked for."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def collect(self) -> Iterator[Metric]:
        """The state of the archive, the queues and the jobs."""
        yield from self._stored()
        jobs: Tally[tuple[str, ...]] = Tally((job.kind, job.state) for job in self._platform.jobs.all())
        yield _family("pellucid_jobs", "Jobs that are remembered, by kind and state", ("kind", "state"), jobs)
        yield _family("pellucid_deliveries", "Deliveries to partners, by state", ("state",), self._deliveries())
        yield GaugeMetricFamily(
            "pellucid_associations_open", "DICOM associations being served", self._platform.open_associations()
        )

    def describe(self) -> list[Metric]:
        """Nothing: registering needs no numbers."""
        return []

    def _stored(self) -> Iterator[Metric]:
        amounts = self._platform.storage.amounts()
        names = ("studies", "series", "instances", "acquisitions")
        levels: dict[tuple[str, ...], int] = {(name,): getattr(amounts, name) for name in names}
        yield _family("pellucid_archive_entries", "What the archive holds, by level", ("level",), levels)
        yield GaugeMetricFamily("pellucid_object_bytes", "Bytes of all objects", amounts.object_bytes)
        yield GaugeMetricFamily("pellucid_index_bytes", "Bytes of the index", amounts.index_bytes)
        yield GaugeMetricFamily("pellucid_free_bytes", "Room left for objects", self._platform.storage.free_bytes())

    def _deliveries(self) -> Mapping[tuple[str, ...], int]:
        with self._platform.archive.reading() as session:
            rows = session.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)).all()
        return {(state,): count for state, count in rows}


def _family(name: str, text: str, labels: Sequence[str], counts: Mapping[tuple[str, ...], int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
