"""The spine: one record of one model call, which every part reads and fills. No OpenTelemetry in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol, TypedDict

from .attempt import Attempt

__all__ = [
    "NOBODY",
    "CacheOutcome",
    "Call",
    "Cost",
    "Decision",
    "End",
    "Ending",
    "Enough",
    "Message",
    "Part",
    "Reading",
    "Request",
    "Scope",
    "Tape",
    "Timing",
    "Usage",
    "Value",
]

Value = str | bool | int | float | Sequence[str]
"""What an OpenTelemetry attribute can hold, as far as we use it."""

Ending = Literal["complete", "closed", "abandoned", "cancelled", "broken", "blocked"]
"""How a stream ended: read to its end, closed by the app, garbage-collected, cancelled, broken, refused."""

Part = dict[str, Any]
"""One part of a message in the conventions' JSON shape: {"type": "text" | "reasoning" | "tool_call" | …, …}."""


class Message(TypedDict, total=False):
    """A message in the conventions' JSON shape; `role` and `parts` are always there."""

    role: str
    parts: list[Part]
    name: str


@dataclass(slots=True)
class Usage:
    """Tokens of one call as totals and their subsets, in the conventions' sense: `input` holds cached reads and writes,
    `output` holds reasoning. None means that the provider did not say; 0 is a zero that it gave.
    A provider whose own fields exclude a class adds it in its own file.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    """The part of `cache_write` that is kept for an hour: it has a price of its own."""
    reasoning: int | None = None
    text_input: int | None = None
    image_input: int | None = None
    audio_input: int | None = None
    text_output: int | None = None
    image_output: int | None = None
    audio_output: int | None = None
    text_cache_read: int | None = None
    image_cache_read: int | None = None
    audio_cache_read: int | None = None
    other: dict[str, float] | None = None
    """What prices differ by besides tokens: images, audio_seconds, characters, searches, pages, server_tool.NAME."""
    estimated: bool = False
    """Counted by us, because the stream ended before the provider's own count came."""


class Cost(NamedTuple):
    """Money of one call in US dollars. The parts add up to `usd` within 1e-9; `usd` is None when it can't be known."""

    status: str
    """exact, approximate, estimated, unknown_model, unknown_price, no_usage, cached or free."""
    usd: float | None = None
    input: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0
    output: float = 0.0
    other: float = 0.0
    source: str | None = None
    tier: str | None = None
    """What it was priced as: standard, flex, priority, batch, fast."""


@dataclass(frozen=True, slots=True)
class Scope:
    """On whose behalf a call is made: what `otelllm.context()` set around it."""

    user: str | None = None
    session: str | None = None
    feature: str | None = None
    priority: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_variables: Mapping[str, str] = field(default_factory=dict)
    """Content: kept only where content is captured."""
    tags: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    cache: bool | None = None
    """Whether answers may come out of a cache, where the app says so; None leaves it to the policy."""


NOBODY = Scope()
"""The scope of a call around which nothing was said."""


@dataclass(slots=True)
class Request:
    """What the app asked for, as the provider's file read it; all of it before anything was sent."""

    model: str | None = None
    subject: str | None = None
    """What the span is named after, where that is no model: an agent, a data source."""
    stream: bool = False
    attributes: dict[str, Value] = field(default_factory=dict)
    """`gen_ai.request.*` and the provider's own, by attribute name."""
    tier: str | None = None
    user: str | None = None
    messages: list[Message] | None = None
    """Only when content is captured; likewise all below, the size apart."""
    system: list[Part] | None = None
    tools: list[Part] | None = None
    query: str | None = None
    """What is searched or ranked for."""
    documents: list[str] | None = None
    """The texts that were given to be ranked, in their order."""
    input_chars: int | None = None
    """The size of the text sent (see estimate), for a stream whose usage never comes; None where not counted."""
    asks_usage: bool = False
    """It is we who asked for the stream's usage (see `include_usage`): the answer to that is kept from the app."""
    counted: dict[str, float] | None = None
    """What is billed of the request itself, and no answer counts: {"characters": 12}; see `Usage.other`."""


@dataclass(slots=True)
class Reading:
    """What the answer said, whole or folded from chunks so far."""

    id: str | None = None
    model: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    """In the conventions' words, one a choice; the provider's own words in `own_finish_reasons`."""
    own_finish_reasons: list[str] = field(default_factory=list)
    usage: Usage | None = None
    shares: list[tuple[str, Usage]] | None = None
    """What each model used, where several answered one call; `usage` holds their sum."""
    billed: Usage | None = None
    """What is paid for, where the provider says that it is something else than what was used."""
    tier: str | None = None
    cost: Cost | None = None
    """What the answer itself says that it cost: taken where we know no price; always, where it came out of a cache."""
    provider: str | None = None
    """Whose service answered, where a gateway decides on it; likewise the next."""
    server: tuple[str, int | None] | None = None
    conversation: str | None = None
    request_id: str | None = None
    attributes: dict[str, Value] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    """Only when content is captured; likewise the next."""
    documents: list[Part] = field(default_factory=list)
    """What was found or ranked, as [{id, score, content?}]. An `id` without content is the place of a document among
    those that were given.
    """
    error_type: str | None = None
    """The provider's error inside an answer of success."""
    error_message: str | None = None
    unfinished: bool = False
    """A stream that says how it begins and ends has begun: an end of the body now is no end of the answer."""
    output_chars: int = 0
    """The size of the text that came (see estimate)."""
    partial: Any = None
    """The provider's own bookkeeping while chunks are folded; nobody else looks at it."""


UNSETTLED = 256
GAPS_KEPT = 2048
"""For the percentiles: past it every second one is let go, and only every second one is kept on."""


@dataclass(slots=True)
class Timing:
    """Moments of one call on the monotonic clock, in nanoseconds; None where it has not come."""

    sent: int = 0
    first_chunk: int | None = None
    first_token: int | None = None
    """The first delta with content, a tool call, a refusal or reasoning."""
    first_content: int | None = None
    """The first delta of the answer itself, where reasoning came before it."""
    ended: int | None = None
    chunks: int = 0
    gaps: list[int] = field(default_factory=list)
    """Between such deltas, once they are `settle`d; where there are many, every second one, or fourth, and so on."""
    gap_max: int = 0
    _tokens: list[int] = field(default_factory=list)
    """Moments of deltas that are not settled yet, after the last one that is."""
    _stride: int = 1
    _skipped: int = 0

    def saw(self, at: int, delta: int) -> None:
        """A chunk came: with nothing that a reader waits for (0), a token (1), or content (2)."""
        self.chunks += 1
        if self.first_chunk is None:
            self.first_chunk = at
        if not delta:
            return
        if delta == 2 and self.first_content is None:
            self.first_content = at
        tokens = self._tokens
        tokens.append(at)
        if len(tokens) >= UNSETTLED:
            self.settle()

    def settle(self) -> None:
        """Make gaps of the moments noted so far. In bulk: 0.1 µs a token in place of 0.4."""
        tokens = self._tokens
        if not tokens:
            return
        if self.first_token is None:
            self.first_token = tokens[0]
        gaps = [later - earlier for earlier, later in pairwise(tokens)]
        self.gap_max = max(self.gap_max, *gaps, 0)
        self.gaps += gaps[self._stride - 1 - self._skipped :: self._stride]
        self._skipped = (self._skipped + len(gaps)) % self._stride
        del tokens[:-1]
        while len(self.gaps) >= GAPS_KEPT:
            del self.gaps[::2]
            self._stride *= 2


class Enough(Exception):  # noqa: N818  never reaches an app
    """The stream ends after this chunk as if the provider had cut the answer there."""

    last: Sequence[Any] = ()
    """Chunks that say so, behind it."""


@dataclass(slots=True)
class Decision:
    """One rule that changed something, or would have in shadow mode; an `otelllm.decision` span event."""

    stage: str
    rule: str
    mode: str
    outcome: str
    scope: str = ""
    reason: str = ""
    reserved: float | None = None
    """In the rule's own unit, and likewise what it was settled on."""
    settled: float | None = None
    waited_s: float = 0.0


@dataclass(slots=True)
class CacheOutcome:
    """What a response cache did for a call."""

    outcome: Literal["hit", "miss", "skipped", "stored"]
    """skipped: this call is not for the cache; stored: a miss whose answer is kept."""
    kind: str = "exact"
    age_s: float | None = None
    """Of a hit; likewise what it saved."""
    saved_usd: float | None = None
    saved_s: float | None = None
    key: str | None = None
    """Tells equal requests of equal scope from others: a hash that the credentials are part of, so that nobody can
    guess the prompt by it.
    """


class Tape(Protocol):
    """Keeps a call's answer as it comes."""

    takes_pieces: bool
    """Whether the bytes of a stream's body are wanted."""

    awaits: bool
    """Whether the app is asking for the next bytes right now."""

    def received(self, received: Any) -> None:
        """The provider's method has returned: `spec.Received`."""

    def piece(self, piece: bytes) -> None:
        """The next bytes of a stream's body, before the SDK reads them."""


@dataclass(slots=True)
class Call:
    """One model call, from the app's arguments to its end."""

    provider: str
    operation: str
    request: Request
    scope: Scope
    server: tuple[str, int | None] | None = None
    key: str | None = None
    """A short hash of the API key that it is made with, never the key."""
    reading: Reading = field(default_factory=Reading)
    timing: Timing = field(default_factory=Timing)
    decisions: list[Decision] = field(default_factory=list)
    verdict: str | None = None
    policy_version: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    """The requests that were let go, as far as a policy steers them; the last one is the one that answered."""
    course: Any = None
    """What retries, keys and fallbacks remember of it while it is under way; nobody else looks at it."""
    route_from: str | None = None
    """The model that the app asked for, where a rule chose another; likewise the model that failed."""
    fallback_from: str | None = None
    input_size: float | Callable[[], float] | None = None
    """Tokens that the prompt is expected to have, or what works them out; None where no policy asks."""
    expected: tuple[float, float] | None = None
    """Tokens of input and output that limits and budgets took it for, before it was sent; None where nobody counted."""
    served: Literal["provider", "rule", "cache"] = "provider"
    """Who gave the answer. What the provider did not give used nothing, whatever an SDK writes into it."""
    on_chunk: list[Callable[[Call, Any], None]] = field(default_factory=list)
    """Called with each chunk of a stream, once it is read and before the app gets it. MAY raise `Blocked`: the stream
    ends there, and the app gets that in place of the chunk; or `Enough`.
    """
    keeps_text: bool = False
    """The answer's text is kept until the end, whether content is captured or not: `interruption()` tells it."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a rule keeps of this call from one stage to the next, under its own name; nobody else looks at it."""
    on_headers: list[Callable[[Mapping[str, str]], None]] = field(default_factory=list)
    """Called with the headers of each answer, an error's too. MUST not block."""
    on_end: list[Callable[[Call], None]] = field(default_factory=list)
    """Called once the call is priced, before its span is written. MUST not block."""
    tape: Tape | None = None
    """Only where the answer may be kept."""
    cache: CacheOutcome | None = None
    """None where no cache was asked."""
    error: BaseException | None = None
    ending: Ending | None = None
    """Only for streams."""
    cost: Cost | None = None
    response: Any = None
    """The HTTP response, from when it came until its headers are read; only where the SDK gives it to nobody."""
    captures: bool = False
    """Whether content is read from this call at all."""
    span: Any = None
    """OpenTelemetry's span of it, for what is to be below that; nobody else looks at it."""


End = Callable[[Call], None]
"""Ends a call's record: price, span, metrics. Called exactly once a call."""
