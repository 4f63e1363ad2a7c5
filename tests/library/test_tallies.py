"""Counters that are summed when they are exported: nothing is lost, whoever counts and whoever reads."""

from __future__ import annotations

import os
import threading

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otelllm import tallies
from otelllm.tallies import OVERFLOW, Tallies

pytestmark = pytest.mark.slow


class Exported:
    """A meter, and what a reader sees of its one counter."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.meter: Meter = MeterProvider(metric_readers=[self._reader]).get_meter("app")

    def points(self) -> dict[tuple[tuple[str, object], ...], float]:
        """Value by attributes."""
        data = self._reader.get_metrics_data()
        return {
            tuple((point.attributes or {}).items()): point.value  # type: ignore[union-attr]  # of a sum
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


def test_what_was_counted_is_read_by_its_attributes() -> None:
    """Whole numbers stay whole."""
    counted, exported = Tallies(), Exported()
    counted.export(exported.meter, "calls", "{call}", "Calls.", ("outcome",))
    counted.add("calls", 1, ("hit",))
    counted.add("calls", 1, ("hit",))
    counted.add("calls", 0.25, ("miss",))
    counted.add("others", 1, ())
    points = exported.points()
    assert points == {(("outcome", "hit"),): 2, (("outcome", "miss"),): 0.25}
    assert isinstance(points[("outcome", "hit"),], int)


def test_a_reader_begins_at_nothing_and_one_that_is_told_twice_counts_once() -> None:
    """Instruments are made again with each new policy; a provider that comes later has seen nothing of before."""
    counted, first, later = Tallies(), Exported(), Exported()
    counted.export(first.meter, "calls", "{call}", "Calls.", ("outcome",))
    counted.add("calls", 1, ())
    counted.export(first.meter, "calls", "{call}", "Calls.", ("outcome",))
    counted.export(later.meter, "calls", "{call}", "Calls.", ("outcome",))
    assert later.points() == {}
    counted.add("calls", 1, ())
    assert (first.points(), later.points()) == ({(): 2}, {(): 1})


def test_threads_that_count_lose_nothing() -> None:
    """Ten of them, with somebody who reads meanwhile."""
    counted = Tallies()
    start = threading.Barrier(11)

    def count() -> None:
        start.wait()
        for _ in range(3 * tallies.NOTED):
            counted.add("calls", 1, ())

    threads = [threading.Thread(target=count) for _ in range(10)]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        counted.counts("calls")
    assert counted.counts("calls") == {(): 30 * tallies.NOTED}


def test_nobody_reads_and_memory_stays() -> None:
    """What waits is summed as it grows."""
    counted = Tallies()
    for _ in range(5 * tallies.NOTED):
        counted.add("calls", 1, ())
    assert len(counted._noted) <= tallies.NOTED


def test_more_sets_of_attributes_than_a_counter_should_have_share_one() -> None:
    """As OpenTelemetry's own counters do it."""
    counted = Tallies()
    for number in range(tallies.SETS + 10):
        counted.add("calls", 1, (str(number),))
    counts = counted.counts("calls")
    assert len(counts) == tallies.SETS + 1
    assert counts[OVERFLOW] == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_somebody_sums_leaves_the_child_free_to_count() -> None:
    """The lock of a thread that is not there any more is held by nobody."""
    counted = Tallies()
    with counted._lock:
        child = os.fork()
        if child == 0:
            counted.add("calls", 1, ())
            os._exit(0 if counted.counts("calls") == {(): 1} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
