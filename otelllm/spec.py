"""The plug points and their contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from .attempt import Failure, Target
from .call import Reading, Request
from .recorded import NO_HEADERS, Recorded, Revived

if TYPE_CHECKING:
    from types import ModuleType

    from .relay import Relay

__all__ = [
    "Delta",
    "Endpoint",
    "Framework",
    "Hook",
    "Method",
    "OwnSpans",
    "Provider",
    "Received",
    "Selected",
    "Surface",
    "Wrapper",
]

Delta = Literal[0, 1, 2]
"""What a chunk carried: nothing that a reader waits for, a token (tool call, refusal, reasoning), or content."""


class Surface(Protocol):
    """One API surface of a provider: pure functions that read what the app sent and what came back.

    None of them may change or consume what it is given. Each may raise on input that it does not understand: the
    caller guards it. `body` and `chunk` are the SDK's own objects, or dicts wrapped to look like them.

    It may also have `last_words(reading, chunk)`, which gives the chunks by which a stream that ends after `chunk` says
    that it was cut at a length, and notes the same in `reading`; `limit_output(kwargs, tokens)`, which gives the
    argument that limits the answer to so many tokens, under the name that this request needs (`max_tokens` where there
    is none); `takes_bytes = True` (its answers may be sounds or plain texts: raw ones are handed over as bytes, and
    streamed sounds piece by piece); `left_out`, names of arguments that change nothing of the answer (see
    enforce/cache): whose they are, or how they are filed; `leaves_state = True`, where the provider keeps what a
    request adds to (a conversation): a stored answer would not.
    """

    operation: str

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        """The parameters, without content. MUST be cheap: it runs for every call, sampled or not."""

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        """Fill `messages`, `system` and `tools` of `request`; called only where content is captured."""

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        """Fill `reading` from a whole answer; messages only where `captures`."""

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        """Add one chunk of a stream to `reading`. MUST keep no reference to the chunk."""

    def finish(self, reading: Reading, captures: bool) -> None:
        """After the last chunk that came: make messages of what was folded. MUST do nothing when called again."""

    def answer(self, request: Request, text: str) -> bytes | None:
        """The wire bytes of a static answer `text` (SSE for a stream); None where the surface has no text to give."""


class Endpoint(NamedTuple):
    """Where a client sends its calls."""

    provider: str
    address: str | None
    port: int | None


class Received(NamedTuple):
    """What a provider's method gave back, as its provider file tells it apart."""

    kind: Literal["whole", "stream", "generator", "raw"]
    """A whole answer; a stream to be tapped; a bare generator, for which a tap stands in; a raw view whose body is
    read or streamed later.
    """
    body: Any
    """The answer, the stream, or the raw view."""
    response: Any
    """The HTTP response whose close ends the call; None for a whole answer."""
    streamed: bool = False
    attach: Callable[[Relay], None] | None = None
    """Lets the relay see the stream, where a swap of its one inner iterator and a hook on its response's close can't:
    it tells the relay of every chunk (`keep`), how a read ended (`stop`), and of a close (`end`).
    """
    headers: Mapping[str, str] = NO_HEADERS
    """Of the response; only for who records it."""
    follow: Callable[[Received], Any] | None = None
    """Puts a later attempt's answer in the place of this one, of which the app got nothing, and gives what is read
    from then on; where None that is the iterator of the later one's body. MUST not hold the body.
    """


class Selected(NamedTuple):
    """What one call of a method that serves many is: its surface, and its arguments by name."""

    surface: Surface
    kwargs: Mapping[str, Any]
    lazy: str = ""
    """The name of the bare generator that it gives, whose first read sends: the call begins then, in the context of
    the method's call.
    """
    args: Callable[[Reading], tuple[Any, ...]] | None = None
    """Makes the positional arguments that are sent in place of the app's, where what the SDK makes of the wire's
    bytes has less than they say, and one of its arguments lets us see them.
    """
    instance: Any = None
    """What sends in place of the app's own: one whose inner calls, made in threads that our context does not reach,
    are this same call.
    """
    endpoint: Endpoint | None = None
    """Where it goes, where the arguments say so and the instance can't."""
    secret: str | None = None
    """The API key among the arguments; only a short hash of it is kept."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method to patch: `module:Class.method`, a leaf (never one that calls another patched method)."""

    target: str
    surface: Surface
    asynchronous: bool = False
    """By class, not by inspection: SDKs hide coroutine functions behind plain decorators."""
    optional: bool = False
    """Not in every supported version: quiet when missing."""
    sends: str = ""
    """For a method that gives back a manager and sends later: the resource's attribute through which it then sends."""
    enters: bool = False
    """It gives back a context manager that sends when it is entered, and gives there what a method gives."""
    select: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Selected | None] | None = None
    """From (instance, args, kwargs): what this call is, where the method serves several surfaces, or its arguments
    have no names; None where it is no model call. MUST be cheap: other calls of the process may pass here.
    """

    @property
    def is_function(self) -> bool:
        """`module:function`: its instance is the function itself, and `dress` gives one to call in its place."""
        return "." not in self.target.partition(":")[2]


class OwnSpans(NamedTuple):
    """What starts an SDK's own spans, where giving None in its place won't do."""

    target: str
    """`module:function` or `module:Class.method`."""
    instead: Callable[..., Any]
    """Called inside a call of ours, with the original and its arguments. MUST not raise by itself."""


class Provider(Protocol):
    """A provider SDK: what to patch, how its objects are told apart. A module of `providers/` has it as PROVIDER."""

    name: str
    package: str
    oldest: str
    """The oldest version that is tested, such as "1.92"; an older one is warned of, and watched as far as it goes."""
    newest: str
    """The newest version that was tested. An outsider's may leave it out."""
    methods: tuple[Method, ...]
    parse_hooks: tuple[str, ...]
    """Methods `module:Class.method` by which a raw view makes its body; the result is handed to the call's relay."""
    iterator: str
    """The attribute of a stream through which every read passes."""
    generator: str
    """The name of the SDK's generator that closes the response at a stream's end."""
    own_spans: tuple[str | OwnSpans, ...]
    """Functions `module:function` by which the SDK starts spans of its own; they give None inside a call of ours.
    May be left out.
    """

    answers: tuple[str, ...]
    """Methods `module:Class.method` that give the HTTP response within a call, or get it as `response`, where the SDK
    gives it to nobody else: its headers are read. May be left out.
    """
    answers_if_asked: bool
    """They are noted for who wants a call's headers (`Call.on_headers`) or bytes (`Call.tape`). May be left out."""
    steers: tuple[str, ...]
    """What `aim` can change besides: "base_url", "key". May be left out: nothing then."""
    below: tuple[str, ...]
    """Methods `module:Class.method` below ours at which other instrumentations patch. May be left out."""

    def endpoint(self, instance: Any) -> Endpoint:
        """Where this resource's client sends its calls."""

    def receive(self, result: Any) -> Received:
        """Tell apart what a patched method, or a parse hook, gave back."""

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        """What the answer's headers say: the request id."""

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        """`error_type`, request id, and a billed answer that the error carries."""

    def api_key(self, instance: Any) -> str | None:
        """The API key of this resource's client; only a short hash of it is kept. May be left out."""

    def with_headers(self, kwargs: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        """The arguments of a call that sends `headers` along, below the app's own. May be left out, where the SDK takes
        none with a call.
        """

    def asking_usage(self, surface: Surface, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments that ask a stream for its usage; none where it always comes, or the app decided on it.
        May be left out.
        """

    def hides(self, chunk: Any) -> bool:
        """Whether the app, which did not ask for usage, would not have got `chunk`; takes a mere "no usage yet" out of
        one that it would have got. May be left out with `asking_usage`.
        """

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        """A resource like `instance` whose calls get the static answer `text`, offline and in the SDK's types;
        None where the surface can't say a text.
        """

    def aim(self, instance: Any, target: Target, *, once: bool) -> Any:
        """A resource like `instance` that sends to `target` (its `base_url` and `key`, as far as `steers` says),
        and where `once` with the SDK's own retries off. MUST share the app's HTTP client. May be left out.
        """

    records_streams: bool
    """Whether `record` keeps streams, too."""

    def identity(self, instance: Any) -> str | None:
        """Whose answers this resource's client gets: a digest of its credentials, and of all its own settings that
        could change an answer. None where it can't be told: then nothing is cached. May be left out, with the next.
        """

    def record(self, instance: Any, surface: Surface, received: Received) -> Recorded | None:
        """What to keep of an answer: a whole one; of a stream what is known before it is read, its bytes are added as
        they come. None where it could not be given again just as it was. MUST not consume it. Comes with `identity`.
        """

    def revive(self, instance: Any, surface: Surface, kwargs: Mapping[str, Any], recorded: Recorded) -> Revived | None:
        """What was recorded, as the SDK gives it, each time a new object; None where it can't be made any more."""

    def timeout_s(self, instance: Any, kwargs: Mapping[str, Any]) -> float | None:
        """How long the app waits for one request, as the call says, or its client. May be left out."""

    def failure(self, error: BaseException) -> Failure | None:
        """How the provider refused or failed, where the SDK's exception says it in a way of its own (see failures);
        None where it does not. May be left out.
        """


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A framework's method or function to replace: `module:Class.method`, `module:function`."""

    target: str
    make: Callable[[Callable[..., Any]], Callable[..., Any]]
    """Makes the replacement of the original; of the same kind (see wrapping.wrapped)."""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A way in that a framework offers itself: a handler, a processor, a listener to be registered."""

    target: str
    """`module` or `module:what`: done when the module is imported; what is shown by `otelllm doctor`."""
    install: Callable[[ModuleType], Callable[[], None] | str]
    """Registers in the loaded module; how to take it back, or why it can't be done in this version."""
    optional: bool = False


class Framework(Protocol):
    """What is above the provider SDKs, or beside them: agents, chains, vector stores, rerankers, MCP. A module of
    `frameworks/` has it as FRAMEWORK. Its steps are `runs.Run`, its model calls `model_calls.ModelCall`.
    """

    name: str
    package: str
    oldest: str
    newest: str
    """As a provider's."""
    hooks: tuple[Wrapper | Hook, ...]
