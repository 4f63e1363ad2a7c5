"""The reader of protobuf's wire format: as protobuf's own parser reads it, compiled or not, whatever the bytes are."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from collector.exports import any_value, put, request, span
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelllm_collector import native
from otelllm_collector.decode import Undecodable, decode, protobuf
from otelllm_collector.decode.values import plain_attributes

HERE = Path(__file__).parent
TEXTS = ["", "a", "gen_ai.usage.input_tokens", "ø" * 40, "\x00", "$bytes", "$kvlist", "x" * 300]


def _value(chance: random.Random, depth: int = 0) -> Any:
    kinds: list[Any] = [
        lambda: chance.choice(TEXTS),
        lambda: chance.choice([0, 1, -1, 2**63 - 1, -(2**63), chance.getrandbits(40)]),
        lambda: chance.choice([0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan")]),
        lambda: chance.random() < 0.5,
        lambda: chance.randbytes(chance.randrange(20)),
        lambda: None,
    ]
    if depth < 4:
        kinds += [
            lambda: [_value(chance, depth + 1) for _ in range(chance.randrange(4))],
            lambda: {chance.choice(TEXTS): _value(chance, depth + 1) for _ in range(chance.randrange(4))},
        ]
    return chance.choice(kinds)()


def _span(chance: random.Random) -> Span:
    found = Span(
        trace_id=chance.randbytes(16), span_id=chance.randbytes(8), parent_span_id=chance.choice([b"", b"12345678"]),
        name=chance.choice(TEXTS), kind=chance.choice([0, 3, 77, -1]), trace_state=chance.choice(TEXTS),
        start_time_unix_nano=chance.getrandbits(64), end_time_unix_nano=chance.getrandbits(62),
        flags=chance.getrandbits(32), dropped_attributes_count=chance.getrandbits(32),
        dropped_events_count=chance.choice([0, 1]), dropped_links_count=chance.choice([0, 2**32 - 1]),
    )  # fmt: skip
    put(found, {chance.choice(TEXTS) + str(number): _value(chance) for number in range(chance.randrange(6))})
    for _ in range(chance.randrange(3)):
        event = found.events.add(name=chance.choice(TEXTS), time_unix_nano=chance.getrandbits(64))
        event.dropped_attributes_count = chance.choice([0, 5])
        put(event, {"key": _value(chance)})
        link = found.links.add(
            trace_id=chance.randbytes(16), span_id=chance.randbytes(8), flags=chance.choice([0, 257])
        )
        link.trace_state, link.dropped_attributes_count = chance.choice(TEXTS), chance.choice([0, 3])
        put(link, {"key": _value(chance)})
    if chance.random() < 0.7:
        found.status.code, found.status.message = chance.choice([0, 1, 2, 9]), chance.choice(TEXTS)
    return found


def _by_protobuf(found: Span) -> dict[str, Any]:
    def event(one: Span.Event) -> dict[str, Any]:
        made = {"name": one.name, "time_ns": one.time_unix_nano, "attributes": plain_attributes(one.attributes)}
        dropped = one.dropped_attributes_count
        return {**made, "dropped_attributes": dropped} if dropped else made

    def link(one: Span.Link) -> dict[str, Any]:
        made = {"trace_id": one.trace_id.hex(), "span_id": one.span_id.hex(), "flags": one.flags,
                "attributes": plain_attributes(one.attributes), "trace_state": one.trace_state,
                "dropped_attributes": one.dropped_attributes_count}  # fmt: skip
        return {key: value for key, value in made.items() if value or key in {"attributes", "trace_id", "span_id"}}

    return {
        "trace_id": found.trace_id, "span_id": found.span_id, "parent_span_id": found.parent_span_id,
        "name": found.name, "trace_state": found.trace_state, "kind": found.kind, "flags": found.flags,
        "start_ns": found.start_time_unix_nano, "end_ns": found.end_time_unix_nano,
        "attributes": plain_attributes(found.attributes), "events": [event(one) for one in found.events],
        "links": [link(one) for one in found.links], "dropped_attributes": found.dropped_attributes_count,
        "dropped_events": found.dropped_events_count, "dropped_links": found.dropped_links_count,
        "status": found.status.code if found.HasField("status") else -1, "status_message": found.status.message,
    }  # fmt: skip


def _by_ours(body: bytes) -> dict[str, Any]:
    found = protobuf.read_span(body, 0, len(body))
    return {name: getattr(found, name) for name in _by_protobuf(Span())}


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Types too (True is no 1), and the order of the attributes."""
    told = [json.dumps(one, sort_keys=True, default=repr) for one in (ours, theirs)]
    return told[0] == told[1] and list(ours["attributes"]) == list(theirs["attributes"])


@pytest.mark.parametrize("seed", range(8))
def test_any_span_is_read_as_protobuf_reads_it(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        made = _span(chance)
        assert _same(_by_ours(made.SerializeToString()), _by_protobuf(made))


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_span_is_read_as_protobuf_reads_it_or_left_to_protobuf(seed: int) -> None:
    chance = random.Random(seed)
    read = 0
    for _ in range(2500):
        body = bytearray(_span(chance).SerializeToString())
        for _ in range(chance.randrange(1, 4)):
            where = chance.randrange(len(body))
            if chance.random() < 0.3:
                del body[where : where + chance.randrange(1, 9)]
            elif chance.random() < 0.5:
                body[where] = chance.randrange(256)
            else:
                body[where:where] = chance.randbytes(chance.randrange(1, 5))
        data = bytes(body)
        try:
            ours = _by_ours(data)
        except (ValueError, IndexError):
            continue
        read += 1
        theirs = Span.FromString(data)  # raises where ours read what protobuf can't
        assert _same(ours, _by_protobuf(theirs))
    assert read > 100


def test_what_only_protobuf_reads_is_read_by_protobuf() -> None:
    """A field in a group, which no OTLP has had and every parser passes over."""
    made = request(span({"a": 1}))
    group = bytes([99 << 3 & 127 | 3 | 128, 99 >> 4, 8, 1, 99 << 3 & 127 | 4 | 128, 99 >> 4])
    assert ExportTraceServiceRequest.FromString(made.SerializeToString() + group) is not None
    batch = decode("traces", made.SerializeToString() + group, is_json=False, now_ns=1)
    assert [row.attributes for row in batch.spans] == ['{"a":1}']


def test_text_that_is_no_utf_8_is_no_protobuf() -> None:
    body = request(span({"a": "bcd"})).SerializeToString().replace(b"bcd", b"b\xffd")
    with pytest.raises(Undecodable):
        decode("traces", body, is_json=False, now_ns=1)


def test_a_sum_of_lists_in_one_value_is_the_last_one() -> None:
    """Of a oneof's members the last one counts, of whichever kind."""
    value = any_value("first").SerializeToString() + any_value(7).SerializeToString()
    pair = b"\x0a\x01k\x12" + bytes([len(value)]) + value
    found: dict[str, Any] = {}
    protobuf.read_attributes(pair, 0, len(pair), found, 1)
    assert found == {"k": 7}


@pytest.mark.skipif(not native.is_compiled(), reason="nothing is compiled here: make native")
@pytest.mark.slow
def test_uncompiled_it_reads_the_same() -> None:
    """These tests and those of decoding again, without the compiled module."""
    assert "_native" in str(protobuf.__file__)
    tests = (HERE / "test_native.py", HERE / "test_decode.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        env={**os.environ, "OTELLLM_NATIVE": "0"}, capture_output=True, text=True, check=False, cwd=HERE.parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "nothing is compiled here" in done.stdout


def test_compiled_modules_of_other_sources_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    monkeypatch.setattr(native, "STAMP", tmp_path / "sources.sha256")
    monkeypatch.delenv("OTELLLM_NATIVE", raising=False)
    assert not native.is_compiled()
    native._library().write_bytes(b"")
    assert not native.is_compiled()
    native.STAMP.write_text("of other sources")
    assert not native.is_compiled()
    assert native.compiled_first(["there"], "decode") == ["there"]
    native.STAMP.write_text(native.sources_hash())
    assert native.is_compiled()
    monkeypatch.setenv("OTELLLM_NATIVE", "0")
    assert not native.is_compiled()
