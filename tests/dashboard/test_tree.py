"""A trace as rows: order, sums, what is left out of a large one, the critical path."""

from __future__ import annotations

from dashboard.records import span

from otelllm_dashboard.charts import tree
from otelllm_dashboard.charts.facts import row_facts, searchable


def _drawn(rows: list[tree.Row]) -> list[tuple[str, int]]:
    return [("…" if row.is_rest else row.span["span_id"], row.depth) for row in rows]


def test_children_stand_under_their_parents_in_start_order() -> None:
    spans = [span("c", "a", (5, 9)), span("a", None, (0, 10)), span("b", "a", (1, 4)), span("d", "b", (2, 3))]
    assert _drawn(tree.rows(tree.grow(spans))) == [("a", 0), ("b", 1), ("d", 2), ("c", 1)]


def test_a_span_whose_parent_never_came_is_a_root() -> None:
    grown = tree.grow([span("a", "missing", (0, 5)), span("b", "a", (1, 2)), span("c", "gone", (3, 4))])
    assert _drawn(tree.rows(grown)) == [("a", 0), ("b", 1), ("c", 0)]


def test_circles_of_parents_are_drawn_once() -> None:
    grown = tree.grow([span("a", "b", (0, 5)), span("b", "a", (1, 2)), span("me", "me", (3, 4))])
    assert sorted(name for name, _ in _drawn(tree.rows(grown))) == ["a", "b", "me"]
    assert grown.ancestors("b") == ["a"]


def test_cost_and_tokens_are_rolled_up_and_an_agents_own_sum_is_not_counted_twice() -> None:
    grown = tree.grow([
        span("agent", None, (0, 10), operation="invoke_agent", input_tokens=30, cost_usd=0.3),
        span("one", "agent", (1, 2), operation="chat", input_tokens=10, output_tokens=3, cost_usd=0.1),
        span("two", "agent", (3, 4), operation="chat", input_tokens=20, cost_usd=None, status="error"),
    ])  # fmt: skip
    sums = grown.sums["agent"]
    assert (sums.input_tokens, sums.output_tokens, sums.cost_usd, sums.errors, sums.spans) == (30, 3, 0.1, 1, 3)


def test_a_sum_of_unknown_costs_is_unknown() -> None:
    grown = tree.grow([span("a"), span("b", "a", operation="chat")])
    assert grown.sums["a"].cost_usd is None


def test_a_large_trace_draws_no_more_rows_than_asked_and_counts_the_rest() -> None:
    spans = [span("root", None, (0, 9000)), *(span(f"s{n}", "root", (n, n + 1)) for n in range(5000))]
    rows = tree.rows(tree.grow(spans), most=500)
    assert len(rows) == 501
    assert rows[-1].is_rest
    assert rows[-1].hidden == 4501


def test_the_chosen_span_is_drawn_however_deep_it_is() -> None:
    spans = [span("root", None, (0, 9000))]
    for number in range(300):
        spans += [
            span(f"p{number}", "root", (number, number + 1)),
            span(f"c{number}", f"p{number}", (number, number + 1)),
        ]
    rows = tree.rows(tree.grow(spans), keep=["c299"], most=100)
    assert ("c299", 2) in _drawn(rows)
    assert ("p299", 1) in _drawn(rows)
    assert sum(not row.is_rest for row in rows) <= 100


def test_a_folded_span_says_how_many_it_hides() -> None:
    grown = tree.grow([span("a"), span("b", "a"), span("c", "b"), span("d", "a")])
    rows = tree.rows(grown, collapsed=["b"])
    assert _drawn(rows) == [("a", 0), ("b", 1), ("d", 1)]
    assert rows[1].hidden == 1
    assert row_facts(rows[1])[0] == "+1 not drawn"


def test_a_search_draws_what_matches_under_the_spans_above_it() -> None:
    grown = tree.grow([span("a"), span("b", "a"), span("hit", "b"), span("c", "a")])
    assert _drawn(tree.rows(grown, matches={"hit"})) == [("a", 0), ("b", 1), ("hit", 2), ("…", 1)]
    assert tree.rows(grown, matches=set()) == []


def test_only_a_subtree_can_be_drawn() -> None:
    grown = tree.grow([span("a"), span("b", "a"), span("c", "b")])
    assert _drawn(tree.rows(grown, top="b")) == [("b", 0), ("c", 1)]


def test_a_trace_of_ten_thousand_levels_is_drawn() -> None:
    spans = [span(str(n), str(n - 1) if n else None, (n, 20_000)) for n in range(10_000)]
    assert len(tree.rows(tree.grow(spans))) == 500


def test_the_critical_path_is_what_the_end_waited_for() -> None:
    grown = tree.grow([
        span("root", None, (0, 100)), span("slow", "root", (0, 60)), span("quick", "root", (0, 20)),
        span("last", "root", (61, 99)), span("inside", "last", (70, 98)),
    ])  # fmt: skip
    assert tree.critical_path(grown) == {"root", "slow", "last", "inside"}


def test_a_span_is_found_by_model_tool_and_error() -> None:
    told = searchable(span("abc", name="Chat", request_model="GPT-5", tool_name="lookup", error_type="429"))
    assert all(word in told for word in ("chat", "gpt-5", "lookup", "429", "abc"))
