"""Windows of budgets: of the calendar, in a time zone, worked out when asked; or rolling."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from otelllm.enforce.values import Wrong
from otelllm.enforce.windows import Window, read

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("per", "now", "label", "end"),
    [
        ("hour", "2026-11-24T13:59:59", "2026-11-24T13+0100", "2026-11-24T14:00:00"),
        ("day", "2026-11-24T23:59:59", "2026-11-24", "2026-11-25T00:00:00"),
        ("day", "2026-10-25T12:00:00", "2026-10-25", "2026-10-26T00:00:00"),  # 25 hours long
        ("week", "2026-11-29T20:00:00", "2026-W48", "2026-11-30T00:00:00"),
        ("month", "2026-12-31T23:00:00", "2026-12", "2027-01-01T00:00:00"),
        ("month", "2026-02-01T00:00:00", "2026-02", "2026-03-01T00:00:00"),
    ],
)
def test_windows_of_the_calendar_end_where_the_zones_clock_says(per, now, label, end):
    period = Window(per, BERLIN, now=lambda: at(now)).period()
    assert (period.label, period.ends_at) == (label, at(end))


def test_the_hour_that_winter_time_repeats_is_two():
    first = at("2026-10-25T02:30:00")
    windows = [Window("hour", BERLIN, now=lambda moment=moment: moment).period() for moment in (first, first + 3600)]
    assert windows[0].label != windows[1].label
    assert windows[1].ends_at - windows[0].ends_at == 3600


def test_a_window_opens_by_itself_and_a_clock_that_is_set_back_is_believed():
    moment = at("2026-11-24T23:59:00")
    window = Window("day", BERLIN, now=lambda: moment)
    assert window.period().label == "2026-11-24"
    moment += 120
    assert window.period().label == "2026-11-25"
    moment -= 3 * 86_400
    assert window.period().label == "2026-11-22"


def test_a_rolling_window_has_a_width_and_no_end():
    window = read("rolling 24h", "UTC", ("budgets", 0))
    assert (window.width_s, window.period().ends_at) == (86_400, float("inf"))


@pytest.mark.parametrize(
    ("per", "zone", "says"),
    [
        ("fortnight", "UTC", "budgets.per = 'fortnight' is none of hour, day, week, month"),
        ("rolling soon", "UTC", "budgets.per = 'soon' is not a time"),
        ("day", "Mars/Olympus", "budgets.timezone = 'Mars/Olympus' is not known here"),
        ("day", "../../etc/passwd", "budgets.timezone = '../../etc/passwd' is not known here"),
    ],
)
def test_what_is_no_window_is_refused(per, zone, says):
    with pytest.raises(Wrong, match=says):
        read(per, zone, ("budgets", 0))
