"""A row of the contract suite: one API surface of one SDK, how it is called, and what the provider sends.

Add a provider: a module in `rows/` with `ROWS`, a list of these. It imports its SDK at the top; where that is not
installed it is one skipped row, and the matrix file of the SDK runs `tests/library/contract -k NAME`. All else is in
`test_contract.py`, the same for every row: how a provider differs is a field here, never an `if` there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wire.server import Reply, Step, sse

__all__ = ["Ask", "Row", "asking"]

Ask = Callable[..., tuple[Callable[..., Any], dict[str, Any]]]
"""(client, *, streamed: bool, timeout_s: float | None) -> the SDK's method and its arguments."""


def asking(method: Callable[[Any], Callable[..., Any]], **arguments: Any) -> Ask:
    """For SDKs with one method for both: `stream=True` asks for a stream, `timeout` is in seconds."""

    def ask(client: Any, *, streamed: bool, timeout_s: float | None) -> Any:
        more = {"stream": True} if streamed else {}
        return method(client), {**arguments, "timeout": timeout_s, **more}

    return ask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One surface. `facts`, `stream_facts` and `started_facts` are span attributes, exact; others are not looked at."""

    name: str
    """ "groq chat": the provider's module first, for -k."""
    apps: tuple[Any, Any]
    """The sync and the async app (drivers of tests/driving.py), each made as `App(url)`, without retries."""
    ask: Ask
    provider: str
    """gen_ai.provider.name"""
    span: str
    """The span's name."""
    answer: bytes
    """The body of a whole answer; empty where the surface only streams."""
    facts: Mapping[str, Any]
    text: str | None = None
    """The text of the whole answer's first message."""
    refusal: tuple[int, bytes]
    """Status and body of the provider's error."""
    refusal_type: str
    """Its `error.type`."""
    events: tuple[bytes, ...] = ()
    """The stream; none where the surface has no stream."""
    stream_facts: Mapping[str, Any] = field(default_factory=dict)
    stream_text: str | None = None
    head: int = 0
    """How many of the events are sent before a break in the middle of the text."""
    taken: int = 0
    """How many chunks the app sees of them."""
    started: str | None = None
    """The text of the first message so far."""
    started_facts: Mapping[str, Any] = field(default_factory=dict)
    """What is known by then, such as the answer's id."""
    reply: Callable[[Iterable[Step]], Reply] = sse
    """A streamed reply of these steps, in the provider's framing."""
    tells_closed: tuple[str, ...] = ("sync", "async")
    """The apps in which a close can be told from a stream that was dropped (bare nested async generators: not)."""
    speaks: bool = True
    """It can be given a static answer, a text."""
    speaks_streamed: bool = True
    """And a stream of it."""
    error_event: bytes | None = None
    """An error in the middle of a stream, in the provider's framing; None where it has no such thing."""
    error_event_type: str = ""
    """Its `error.type`."""
    error_stays: bool = False
    """It is one that no other attempt helps, or that the SDK gives to the app as a chunk."""
    has_last_word: bool = True
    """A stream that ends without the provider's own end is known to be cut."""
    minds_the_end: bool = False
    """The SDK itself raises an error of such a stream."""
    sends_at_once: bool = False
    """A streamed call sends before its stream is read: a stream that nobody reads is then a span, too."""
    blocks: bool = False
    """Its streams are context managers."""
    views: bool = False
    """Its resource has `with_raw_response` and `with_streaming_response`, as SDKs made by Stainless do."""
    closes_raw: bool = True
    """What `with_raw_response` gives has a close."""
    is_slow: bool = False
    """Left out of the fast suite: the same code as another row's, called by another name."""
    changing_headers: tuple[str, ...] = ()
    """Headers of a request that differ from call to call, bare as well: signatures, dates, ids."""
    changing_fields: tuple[str, ...] = ()
    """Fields of the SDK's objects, at any depth, that differ from call to call, bare as well: its own clock."""
    changing_text: str = ""
    """A pattern of what so differs within texts, those of errors too: ids that the SDK makes, seconds that passed."""
    closes: tuple[str, ...] = ("sync", "async")
    """The apps whose streams have a close."""
    hangs_up: bool = True
    """Such a close closes the connection; bare ones that don't leave it in the pool until the client is closed."""
    caches: bool = False
    """Its whole answers can be given again out of the cache; likewise its streams."""
    caches_streamed: bool = False
    retrying: Mapping[str, Any] | None = None
    """Options with which its client tries more often by itself; of one row of each SDK that takes keys and retries."""
    not_retrying: tuple[str, ...] = ()
    """Arguments of `ask` that turn the SDK's own retries off in the call."""
    warnings: tuple[str, ...] = ()
    """Categories of warnings that the SDK gives of its own objects, bare as well."""
