"""Decodes what libFuzzer gives it, for ever: a process of its own, for libFuzzer ends it. `bodies.py` starts it."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["otelllm_collector"]):
    from otelllm_collector.decode import Undecodable, decode
    from otelllm_collector.rows import TooMany

from collector.exports import span
from soak.seeds import NOW, beside

KINDS = (("traces", False), ("traces", True), ("logs", False), ("logs", True), ("metrics", False), ("metrics", True))
GOOD = [span(), span()]
IDS = {one.trace_id for one in GOOD}


def one(data: bytes) -> None:
    """The first byte says how the rest is to be read: as a body, or as a span between two good ones."""
    if not data:
        return
    kind, body = data[0] % (len(KINDS) + 1), data[1:]
    if kind < len(KINDS):
        signal, is_json = KINDS[kind]
        try:
            decode(signal, body, is_json=is_json, now_ns=NOW)  # type: ignore[arg-type]  # one of the three
        except (Undecodable, TooMany):
            return
    else:
        batch = decode("traces", beside(GOOD, body), is_json=False, now_ns=NOW)
        assert {row.trace_id for row in batch.spans} >= IDS, batch.refused


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
