"""A trace as rows: parents above their children, sums rolled up, and no more rows than a browser draws well."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from otelllm_dashboard.charts.palette import CALLS
from otelllm_dashboard.client import Span

_Number = TypeVar("_Number", int, float)

# 500 bars with their labels cost the browser about 0.3 s; 5,000 cost it 3 s and 5 MB.
MOST_ROWS = 500


@dataclass(slots=True)
class Sums:
    """What a span and all below it used; None where nobody said."""

    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    errors: int = 0
    spans: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the waterfall; `hidden` says how many spans below it (or beside it, with `is_rest`) are not drawn."""

    span: Span
    depth: int
    sums: Sums
    hidden: int = 0
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """Spans by id, and who stands under whom."""

    spans: dict[str, Span]
    roots: list[str]
    children: dict[str, list[str]]
    sums: dict[str, Sums] = field(default_factory=dict)

    def ancestors(self, span_id: str) -> list[str]:
        """The spans above this one, nearest first."""
        above: list[str] = []
        seen = {span_id}
        parent = self.spans[span_id]["parent_span_id"] if span_id in self.spans else None
        while parent in self.spans and parent not in seen:
            above.append(parent)
            seen.add(parent)
            parent = self.spans[parent]["parent_span_id"]
        return above

    def below(self, span_id: str) -> Iterator[str]:
        """This span and everything under it, parents first, in start order."""
        waiting = [span_id]
        while waiting:
            current = waiting.pop()
            yield current
            waiting.extend(reversed(self.children.get(current, ())))

    def order(self) -> Iterator[str]:
        """Every span, as it is listed when nothing is collapsed."""
        for root in self.roots:
            yield from self.below(root)


def grow(spans: Iterable[Span]) -> Tree:
    """The tree of a trace's spans. A span whose parent never came is a root; so is one of each circle of parents."""
    by_id = {span["span_id"]: span for span in sorted(spans, key=lambda span: (span["start_ns"], -span["end_ns"]))}
    children: dict[str, list[str]] = {}
    roots: list[str] = []
    for span_id, span in by_id.items():
        parent = span["parent_span_id"]
        if parent in by_id and parent != span_id:
            children.setdefault(parent, []).append(span_id)
        else:
            roots.append(span_id)
    tree = Tree(by_id, roots, children)
    _cut_circles(tree)
    _add_up(tree)
    return tree


def _cut_circles(tree: Tree) -> None:
    reached = set(tree.order())
    for span_id in tree.spans:
        if span_id in reached:
            continue
        parent = tree.spans[span_id]["parent_span_id"]
        tree.children[parent or ""].remove(span_id)
        tree.roots.append(span_id)
        reached.update(tree.below(span_id))


def _add_up(tree: Tree) -> None:
    for span_id in reversed(list(tree.order())):
        span = tree.spans[span_id]
        sums = Sums(errors=span["status"] == "error", spans=1)
        for child in tree.children.get(span_id, ()):
            part = tree.sums[child]
            sums.errors += part.errors
            sums.spans += part.spans
            sums.cost_usd = _plus(sums.cost_usd, part.cost_usd)
            sums.input_tokens = _plus(sums.input_tokens, part.input_tokens)
            sums.output_tokens = _plus(sums.output_tokens, part.output_tokens)
        is_call = span["operation"] in CALLS
        # An agent's span of another instrumentation repeats what its calls used: it counts only where they say nothing.
        if is_call or sums.cost_usd is None:
            sums.cost_usd = _plus(sums.cost_usd, span["cost_usd"])
        if is_call or sums.input_tokens is None:
            sums.input_tokens = _plus(sums.input_tokens, span["input_tokens"])
        if is_call or sums.output_tokens is None:
            sums.output_tokens = _plus(sums.output_tokens, span["output_tokens"])
        tree.sums[span_id] = sums


def _plus(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def rows(
    tree: Tree,
    *,
    top: str | None = None,
    collapsed: Collection[str] = (),
    keep: Collection[str] = (),
    matches: Collection[str] | None = None,
    most: int = MOST_ROWS,
) -> list[Row]:
    """The lines to draw: all, or those under `top`, or those that match with the spans above them.

    Where there are more than `most`, whole levels come first, what is in `keep` always, and the rest is counted.
    """
    roots = [top] if top in tree.spans else tree.roots
    if matches is None:
        shown = _levels(tree, roots, collapsed=set(collapsed), keep=keep, most=most)
    else:
        shown = _with_ancestors(tree, [span for span in tree.order() if span in matches][:most])
    return list(_lines(tree, roots, shown))


def _with_ancestors(tree: Tree, wanted: Iterable[str]) -> set[str]:
    return {above for span_id in wanted if span_id in tree.spans for above in (span_id, *tree.ancestors(span_id))}


def _levels(tree: Tree, roots: list[str], *, collapsed: set[str], keep: Collection[str], most: int) -> set[str]:
    shown = _with_ancestors(tree, keep)
    collapsed = collapsed - {above for span_id in keep for above in tree.ancestors(span_id)}
    waiting = deque([roots])
    while waiting and len(shown) < most:
        level = waiting.popleft()
        fits = [span_id for span_id in level if span_id not in shown][: most - len(shown)]
        shown.update(fits)
        waiting.extend(
            tree.children[span_id]
            for span_id in level
            if span_id in shown and span_id in tree.children and span_id not in collapsed
        )
    return shown


def _lines(tree: Tree, roots: list[str], shown: set[str]) -> Iterator[Row]:
    waiting: list[Row] = _siblings(tree, roots, 0, shown)[::-1]
    while waiting:
        row = waiting.pop()
        yield row
        if not row.is_rest and not row.hidden:
            below = tree.children.get(row.span["span_id"], [])
            waiting.extend(_siblings(tree, below, row.depth + 1, shown)[::-1])


def _siblings(tree: Tree, siblings: list[str], depth: int, shown: set[str]) -> list[Row]:
    lines: list[Row] = []
    rest: list[str] = []
    for span_id in siblings:
        if span_id not in shown:
            rest.append(span_id)
            continue
        below = tree.children.get(span_id, [])
        is_closed = bool(below) and not any(child in shown for child in below)
        hidden = tree.sums[span_id].spans - 1 if is_closed else 0
        lines.append(Row(tree.spans[span_id], depth, tree.sums[span_id], hidden=hidden))
    if rest and lines:
        sums = Sums(errors=sum(tree.sums[one].errors for one in rest), spans=sum(tree.sums[one].spans for one in rest))
        lines.append(Row(tree.spans[rest[0]], depth, sums, hidden=sums.spans, is_rest=True))
    return lines


def critical_path(tree: Tree) -> set[str]:
    """The spans that the whole waited for: from the end backwards, always the one that finished last."""
    path: set[str] = set()
    if not tree.roots:
        return path
    longest = max(tree.roots, key=lambda root: tree.spans[root]["duration_ms"])
    waiting = [(longest, tree.spans[longest]["end_ns"])]
    while waiting:
        span_id, until = waiting.pop()
        path.add(span_id)
        # A child that outlives its parent was not waited for, past the parent's end.
        for child in sorted(tree.children.get(span_id, ()), key=lambda one: -tree.spans[one]["end_ns"]):
            end = min(tree.spans[child]["end_ns"], tree.spans[span_id]["end_ns"])
            if end <= until and tree.spans[child]["start_ns"] < until:
                waiting.append((child, end))
                until = tree.spans[child]["start_ns"]
    return path
