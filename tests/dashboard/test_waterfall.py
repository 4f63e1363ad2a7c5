"""The waterfall's figure: where bars stand, what rows say, what a stranger's text becomes."""

from __future__ import annotations

import json
from typing import Any

from dashboard.records import span

from otelllm_dashboard.charts import palette, tree, waterfall

_AGENT = [
    span("root", None, (0, 1000), name="invoke_workflow support", operation="invoke_workflow"),
    span("search", "root", (10, 60), name="retrieval kb", operation="retrieval", retrieval_count=5),
    span("rank", "root", (60, 100), name="rerank m", operation="rerank", rerank_in=5, rerank_out=3),
    span(
        "chat", "root", (100, 900), name="chat gemma", operation="chat", input_tokens=120, output_tokens=24,
        ttft_ms=80.0, cost_usd=0.0002,
    ),
    span(
        "broken", "root", (900, 990), name="execute_tool t", operation="execute_tool", status="error",
        error_type="timeout",
    ),
]  # fmt: skip


def _figure(spans: list[Any], **options: Any) -> Any:
    return waterfall.figure(tree.rows(tree.grow(spans)), **options)


def _trace(figure: Any, kind: str, mode: str | None = None) -> Any:
    found = [one for one in figure.data if one.type == kind and one.mode == mode] if mode else list(figure.data)
    return next(one for one in found if kind != "bar" or (one.type == "bar" and one.text is not None))


def test_bars_stand_in_milliseconds_from_the_traces_start() -> None:
    bars = _trace(_figure(_AGENT), "bar")
    assert list(bars.base) == [0, 10, 60, 100, 900]
    assert list(bars.x) == [1000, 50, 40, 800, 90]


def test_rows_say_their_short_facts() -> None:
    names = _trace(_figure(_AGENT), "scatter", "markers+text").text
    assert "5 results" in names[1]
    assert "5 → 3" in names[2]
    assert "120→24 tok · TTFT 80 ms · $0.00020" in names[3]
    assert "timeout" in names[4]


def test_a_parent_says_the_sums_of_what_is_below_it() -> None:
    assert "Σ 120→24 tok · $0.00020" in _trace(_figure(_AGENT), "scatter", "markers+text").text[0]


def test_depth_is_seen() -> None:
    names = _trace(_figure(_AGENT), "scatter", "markers+text")
    assert names.x[0] < names.x[1] == names.x[4]


def test_the_first_token_is_marked_at_its_time() -> None:
    marks = _trace(_figure(_AGENT), "scatter", "markers")
    assert list(marks.x) == [180]
    assert list(marks.y) == [3]


def test_an_error_is_marked_and_each_operation_has_its_colour() -> None:
    figure = _figure(_AGENT)
    names = _trace(figure, "scatter", "markers+text")
    assert names.marker.symbol[4] == "x"
    assert names.marker.color[4] == palette.ERROR
    colours = _trace(figure, "bar").marker.color
    assert len(set(colours)) == 5


def test_whatever_can_be_clicked_says_its_span() -> None:
    for trace in _figure(_AGENT).data:
        if trace.hoverinfo != "skip":
            assert trace.customdata is not None
    areas = [one for one in _figure(_AGENT).data if one.type == "bar" and one.text is None]
    assert [[row[0] for row in area.customdata] for area in areas] == [["root", "search", "rank", "chat", "broken"]] * 2


def test_the_chosen_row_has_a_band_behind_it() -> None:
    assert [(band.y0, band.y1) for band in _figure(_AGENT, selected="chat").layout.shapes] == [(2.5, 3.5)]


def test_what_is_not_on_the_critical_path_is_faded() -> None:
    colours = _trace(_figure(_AGENT, critical={"root", "chat"}), "bar").marker.color
    assert [colour.endswith("0.92)") for colour in colours] == [True, False, False, True, False]


def test_a_strangers_tags_are_text() -> None:
    spans = [span("x", name="<a href='javascript:alert(1)'>me</a>", error_type="<img src=x>", status="error")]
    drawn = json.dumps(_figure(spans).to_plotly_json(), default=list)
    assert "<a " not in drawn
    assert "<img" not in drawn
    assert "&lt;a href" in drawn


def test_a_trace_of_no_length_is_drawn() -> None:
    bars = _trace(_figure([span("x", ms=(5, 5))]), "bar")
    assert bars.x[0] > 0
