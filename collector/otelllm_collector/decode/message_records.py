"""Log records of the older conventions, a message each, put together to what they say of a span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otelllm import semconv

from ..normalise.message_events import NAMES, Said, read_event, unfolded
from ..normalise.values import parsed
from ..rows import NO_MESSAGE, Batch, ContentRow
from .content import keep_content

__all__ = ["NAMES", "MessageRecords"]

_PLACES = 64
"""A choice of a higher index has no place of its own and comes after the others."""


class MessageRecords:
    """The messages of one request's records, by span: one row each, however many records they came in."""

    def __init__(self) -> None:
        self._spans: dict[tuple[bytes, int], list[tuple[int, Said]]] = {}

    def add(self, key: tuple[bytes, int], time_ns: int, name: str, body: Any, attributes: Mapping[str, Any]) -> None:
        """Note a record's message; one whose content was not captured says nothing."""
        flat, whole = unfolded(attributes), parsed(body)
        said = read_event(name, {**flat, **whole} if isinstance(whole, Mapping) else flat)
        if said is not None:
            self._spans.setdefault(key, []).append((time_ns, said))

    def rows(self, batch: Batch, now_ns: int) -> Iterator[ContentRow]:
        """A row for each span; its messages go into the batch."""
        for (trace_id, span_id), records in self._spans.items():
            records.sort(key=lambda record: record[0])  # those of one instant stay in the order that they came in
            row = ContentRow(trace_id, span_id, records[0][0])
            inputs = [said.message for _, said in records if said.choice is None]
            choices = [(said.choice, said.message) for _, said in records if said.choice is not None]
            if inputs:
                keep_content(batch, row, semconv.INPUT_MESSAGES, inputs, now_ns)
            if choices:
                keep_content(batch, row, semconv.OUTPUT_MESSAGES, [message for _, message in choices], now_ns)
                row.output_hashes = _placed([index for index, _ in choices], row.output_hashes or [])
            yield row


def _placed(indices: list[int], hashes: list[bytes]) -> list[bytes]:
    """Each choice at its index."""
    places: dict[int, bytes] = {}
    others = []
    for index, digest in sorted(zip(indices, hashes, strict=True), key=lambda one: one[0]):
        if index in places or index >= _PLACES:
            others.append(digest)
        else:
            places[index] = digest
    return [places.get(index, NO_MESSAGE) for index in range(max(places, default=-1) + 1)] + others
