"""A machine whose date is set while the collector runs, or was wrong when it started."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from collector.ageing import chat
from collector.backends import Backend, http_backend, until
from collector.exports import request, span
from collector.machine_clock import LIBRARY, MachineClock

from otelllm_collector.clocks import Calendar, SteadyClock
from otelllm_collector.exporters.http import _retry_after_s

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

DAY, YEAR = 86_400, 366 * 86_400


class Hands:
    """A wall clock and what has passed, in seconds, as a test wants them."""

    def __init__(self) -> None:
        self.wall_s, self.passed_s = 1_000 * DAY, 5

    def calendar(self, folder: Path) -> Calendar:
        return Calendar(folder / "calendar.json", lambda: self.wall_s * 10**9, lambda: self.passed_s * 10**9)

    def run(self, seconds: int) -> None:
        self.wall_s += seconds
        self.passed_s += seconds


def days(calendar: Calendar) -> float:
    return calendar.now_ns() / 10**9 / DAY


def test_a_clock_that_is_right_is_believed_also_after_a_night_and_back_an_hour(tmp_path: Path) -> None:
    hands = Hands()
    calendar = hands.calendar(tmp_path)
    for change_s in (0, 3600, -3600, DAY // 2, -YEAR):
        hands.wall_s += change_s
        hands.run(600)
        assert days(calendar) == hands.wall_s / DAY
        assert calendar.ahead_s == 0


def test_a_leap_of_a_year_is_believed_after_a_day_of_running_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hands = Hands()
    calendar = hands.calendar(tmp_path)
    calendar.now_ns()
    hands.wall_s += YEAR
    for hour in range(1, 24):
        hands.run(3600)
        assert days(calendar) == pytest.approx(1000 + hour / 24)
        assert calendar.ahead_s == YEAR
    hands.run(3600)
    assert days(calendar) == hands.wall_s / DAY
    assert calendar.ahead_s == 0
    assert ["366.0 days ahead" in caplog.messages[0], "believed again" in caplog.messages[1]] == [True, True]
    assert len(caplog.messages) == 2


def test_a_leap_that_is_put_right_leaves_nothing_behind(tmp_path: Path) -> None:
    hands = Hands()
    calendar = hands.calendar(tmp_path)
    calendar.now_ns()
    hands.wall_s += YEAR
    hands.run(600)
    calendar.now_ns()
    hands.wall_s -= YEAR
    hands.run(600)
    assert (days(calendar), calendar.ahead_s) == (hands.wall_s / DAY, 0)


def test_starts_with_a_wrong_clock_are_noticed_and_their_hours_add_up(tmp_path: Path) -> None:
    hands = Hands()
    hands.calendar(tmp_path).now_ns()
    hands.wall_s += 60 * DAY  # off for two months, or wrong by so much: nobody can tell
    for run in range(1, 4):
        calendar = hands.calendar(tmp_path)
        hands.run(8 * 3600)
        believed = days(calendar)
        assert believed == (hands.wall_s / DAY if run == 3 else pytest.approx(1000 + run / 3))
        hands.wall_s += 16 * 3600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"believed_ns": "soon", "doubted_ns": 1}', None])
def test_without_a_file_that_says_something_the_clock_is_believed(tmp_path: Path, text: str | None) -> None:
    hands = Hands()
    if text is not None:
        (tmp_path / "calendar.json").write_text(text)
    assert days(hands.calendar(tmp_path)) == 1000
    assert json.loads((tmp_path / "calendar.json").read_text()) == {
        "believed_ns": 1_000 * DAY * 10**9, "doubted_ns": 0,
    }  # fmt: skip


def test_a_place_that_can_not_be_written_costs_the_memory_of_it_alone(tmp_path: Path) -> None:
    hands = Hands()
    assert days(hands.calendar(tmp_path / "gone")) == 1000


def test_a_steady_clock_passes_as_time_does() -> None:
    clock = SteadyClock()
    first = clock()
    assert 0 <= clock() - first < 10**10


@pytest.mark.parametrize("year", ["2020", "2031"])
def test_when_to_come_again_is_told_by_the_clock_of_who_said_it(year: str) -> None:
    """Or a collector whose clock is years behind would wait for years."""
    headers = {"date": f"Wed, 05 Feb {year} 10:00:00 GMT", "retry-after": f"Wed, 05 Feb {year} 10:00:07 GMT"}
    assert _retry_after_s(headers) == 7


def _retain(running: Collector) -> None:
    """A whole run of it."""
    token = (running.data / "operate.token").read_text().strip()
    answer = running.client.post("/api/maintenance/retention", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text


def _waiting(running: Collector) -> int:
    [one] = running.get("/api/exporters")["exporters"]
    return int(one["waiting_records"])


@pytest.mark.skipif(LIBRARY is None, reason="sets one process's clock: apt-get install libfaketime")
def test_a_clock_that_leaps_while_it_runs_and_between_two_runs(tmp_path: Path, start: Start) -> None:
    """An hour back, a year ahead, and that at a start: nothing is lost, twice or dropped, and all goes onward."""
    clock, backend = MachineClock(tmp_path), Backend()
    with http_backend(backend):
        port = int(backend.endpoint.rpartition(":")[2])
    config = tmp_path / "collector.toml"
    config.write_text(f'[[exporter]]\nendpoint = "{backend.endpoint}"\ntimeout_s = 1\n')
    given = (tmp_path / "data", "--config", str(config), "--retention-days", "30")
    running = start(*given, **clock.environment)
    sent = [span() for _ in range(4)]
    for number, ahead_s in enumerate((0, -3600, YEAR, YEAR), 1):
        if number == len(sent):
            running.kill()
            running = start(*given, **clock.environment)
        clock.set(ahead_s)
        [[told_s]] = running.sql("select epoch(now())::bigint")
        assert abs(told_s - time.time() - ahead_s) < 60
        for one in sent[:number]:
            assert running.send(request(one)).status_code == 200
        _retain(running)
        assert running.sql("select count(*), count(distinct trace_id) from spans") == [[number, number]]
    assert running.get("/api/maintenance")["clock_ahead_s"] > YEAR - DAY
    assert _waiting(running) == 1 + 2 + 3 + 4
    assert running.send(request(chat(31, "old"))).status_code == 200
    _retain(running)
    assert running.sql("select count(*) from spans") == [[4]], "what is old by the right date does go"
    with http_backend(backend, port):
        until(lambda: _waiting(running) == 0)
    assert {one.trace_id for one in backend.spans} >= {one.trace_id for one in sent}
    assert running.stop() == 0
    assert "days ahead" in running.errors
