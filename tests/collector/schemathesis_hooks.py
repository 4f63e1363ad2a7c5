"""What schemathesis has to know of our bodies; loaded by its command (SCHEMATHESIS_HOOKS), in a process of its own."""

from __future__ import annotations

from typing import Any

import schemathesis
from collector.exports import request, trace_of_agent
from hypothesis import strategies as st

POLICIES = (b"", b'[capture]\ncontent = "full"\n', b"[capture]\ncontent = 5\n", b"[[kill]]\nwhen = {}\n", b"a = ")
EXPORT = request(*trace_of_agent(10**18)).SerializeToString()


def _damaged(body: bytes) -> st.SearchStrategy[bytes]:
    """The body, cut somewhere, or with one byte changed."""
    places = st.integers(0, max(len(body) - 1, 0))
    cut = places.map(lambda at: body[:at])
    changed = st.builds(lambda at, byte: body[:at] + bytes([byte]) + body[at + 1 :], places, st.integers(0, 255))
    return st.one_of(st.just(body), cut, changed)


schemathesis.openapi.media_type("application/toml", st.sampled_from(POLICIES).flatmap(_damaged))
schemathesis.openapi.media_type("application/x-protobuf", st.one_of(st.binary(), _damaged(EXPORT)))


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """It finds out which policy is in force and then waits for the next, for minutes."""
    wait = (query or {}).get("wait")
    return {**query, "wait": 1} if isinstance(wait, int) and 1 < wait <= 300 else query
