"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One registry for each server: nothing is shared with whatever else runs in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "srl_requests", "requests by route and status", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "srl_request_seconds", "from head to last byte", ["route"], buckets=SECONDS, registry=self.registry
        )
        self._count, self._took = cache(self._requests.labels), cache(self._seconds.labels)
        self._sizes = Histogram(
            "srl_batch_size", "questions answered together", ["queue"], buckets=SIZES, registry=self.registry
        )
        self._batch_seconds = Histogram(
            "srl_batch_seconds", "of answering a batch", ["queue"], buckets=SECONDS, registry=self.registry
        )
        self._depth = Gauge("srl_queue_depth", "questions that wait", ["queue"], registry=self.registry)
        self._model = Info("srl_model", "the run that answers", registry=self.registry)

    def requested(self, route: str, status: int, seconds: float) -> None:
        self._count(route, status).inc()
        self._took(route).observe(seconds)

    def answered(self, queue: str) -> Callable[[int, float], None]:
        """-> what is told of each batch of that queue."""
        sizes, seconds = self._sizes.labels(queue), self._batch_seconds.labels(queue)

        def done(count: int, took: float) -> None:
            sizes.observe(count)
            seconds.observe(took)

        return done

    def watch(self, queue: str, depth: Callable[[], float]) -> None:
        self._depth.labels(queue).set_function(depth)

    def describe(self, **facts: str) -> None:
        self._model.info(facts)

    def text(self) -> bytes:
        return generate_latest(self.registry)
