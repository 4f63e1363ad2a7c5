"""What a finished call says on its span: a pure function of the record."""

from __future__ import annotations

from operator import attrgetter

from . import semconv
from .call import NOBODY, CacheOutcome, Call, Cost, Part, Timing, Usage, Value
from .errors import Blocked

__all__ = ["USAGE_NAMES", "attributes", "documents_of", "error_type_of", "metric_attributes", "start_attributes"]

USAGE_NAMES = {
    "input": semconv.USAGE_INPUT,
    "output": semconv.USAGE_OUTPUT,
    "cache_read": semconv.USAGE_CACHE_READ,
    "cache_write": semconv.USAGE_CACHE_WRITE,
    "cache_write_1h": semconv.USAGE_CACHE_WRITE_1H,
    "reasoning": semconv.USAGE_REASONING,
    "text_input": semconv.USAGE_TEXT_INPUT,
    "image_input": semconv.USAGE_IMAGE_INPUT,
    "audio_input": semconv.USAGE_AUDIO_INPUT,
    "text_output": semconv.USAGE_TEXT_OUTPUT,
    "image_output": semconv.USAGE_IMAGE_OUTPUT,
    "audio_output": semconv.USAGE_AUDIO_OUTPUT,
    "text_cache_read": semconv.USAGE_TEXT_CACHE_READ,
    "image_cache_read": semconv.USAGE_IMAGE_CACHE_READ,
    "audio_cache_read": semconv.USAGE_AUDIO_CACHE_READ,
}
_EXPECTED = (semconv.EXPECTED_INPUT, semconv.EXPECTED_OUTPUT)
_counts = attrgetter(*USAGE_NAMES)
_SCOPE = (
    ("session", semconv.SESSION_ID),
    ("feature", semconv.FEATURE),
    ("priority", semconv.PRIORITY),
    ("prompt_name", semconv.PROMPT_NAME),
    ("prompt_version", semconv.PROMPT_VERSION),
)


def start_attributes(call: Call) -> dict[str, Value]:
    """What samplers may decide by: set when the span starts."""
    found: dict[str, Value] = {semconv.OPERATION: call.operation, semconv.PROVIDER: call.provider}
    if call.request.model:
        found[semconv.REQUEST_MODEL] = call.request.model
    if call.server is not None:
        address, port = call.server
        found[semconv.SERVER_ADDRESS] = address
        if port is not None:
            found[semconv.SERVER_PORT] = port
    return found


def attributes(call: Call) -> dict[str, Value]:
    """Everything but content, in the order in which it must survive a back end that cuts: usage and cost first."""
    found: dict[str, Value] = {}
    reading = call.reading
    if reading.usage is not None:
        _usage(found, reading.usage)
    if call.cost is not None:
        _cost(found, call.cost)
    found.update(call.request.attributes)
    if call.request.stream:
        found[semconv.REQUEST_STREAM] = True
        _timing(found, call.timing)
        if call.ending is not None:
            found[semconv.STREAM_END] = call.ending
    if reading.id:
        found[semconv.RESPONSE_ID] = reading.id
    if reading.model:
        found[semconv.RESPONSE_MODEL] = reading.model
    if reading.finish_reasons:
        found[semconv.RESPONSE_FINISH_REASONS] = reading.finish_reasons
        if reading.own_finish_reasons != reading.finish_reasons:
            found[semconv.FINISH_REASONS] = reading.own_finish_reasons
    if reading.request_id:
        found[semconv.PROVIDER_REQUEST_ID] = reading.request_id
    if call.key:
        found[semconv.KEY] = call.key
    found.update(reading.attributes)
    _scope(found, call)
    _enforced(found, call)
    return found


def _usage(found: dict[str, Value], usage: Usage) -> None:
    # A zero that the provider gave is a fact: "no cache hit", not "not reported".
    counts = zip(USAGE_NAMES.values(), _counts(usage), strict=True)
    found.update({attribute: count for attribute, count in counts if count is not None})
    for name, count in (usage.other or {}).items():
        found[semconv.USAGE_OTHER + name] = int(count) if count == int(count) else count
    if usage.estimated:
        found[semconv.USAGE_ESTIMATED] = True


def _cost(found: dict[str, Value], cost: Cost) -> None:
    found[semconv.COST_STATUS] = cost.status
    if cost.tier:
        found[semconv.TIER] = cost.tier
    if cost.usd is None:
        return
    found[semconv.COST] = cost.usd
    if cost.input:
        found[semconv.COST_INPUT] = cost.input
    if cost.cache_read:
        found[semconv.COST_CACHE_READ] = cost.cache_read
    if cost.cache_write:
        found[semconv.COST_CACHE_WRITE] = cost.cache_write
    if cost.output:
        found[semconv.COST_OUTPUT] = cost.output
    if cost.other:
        found[semconv.COST_OTHER] = cost.other
    if cost.source:
        found[semconv.COST_SOURCE] = cost.source


def _timing(found: dict[str, Value], timing: Timing) -> None:
    sent = timing.sent
    if timing.first_chunk is not None:
        found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = (timing.first_chunk - sent) / 1e9
    if timing.first_token is not None:
        found[semconv.TTFT] = (timing.first_token - sent) / 1e9
    if timing.first_content is not None and timing.first_content != timing.first_token:
        found[semconv.TTFT_CONTENT] = (timing.first_content - sent) / 1e9
    found[semconv.STREAM_CHUNKS] = timing.chunks
    if timing.gaps:
        gaps = sorted(timing.gaps)
        last = len(gaps) - 1
        found[semconv.STREAM_GAP_P50] = gaps[last // 2] / 1e9
        found[semconv.STREAM_GAP_P95] = gaps[round(last * 0.95)] / 1e9
        found[semconv.STREAM_GAP_MAX] = timing.gap_max / 1e9


def _scope(found: dict[str, Value], call: Call) -> None:
    scope = call.scope
    user = scope.user or call.request.user
    if user:
        found[semconv.USER_ID] = user
    if call.reading.conversation:
        found[semconv.CONVERSATION_ID] = call.reading.conversation  # which may be a new one, branched off the request's
    elif scope.session:
        found.setdefault(semconv.CONVERSATION_ID, scope.session)
    if scope is NOBODY:
        return
    for name, attribute in _SCOPE:
        value = getattr(scope, name)
        if value is not None:
            found[attribute] = value
    found.update({semconv.TAG + name: value for name, value in scope.tags.items()})


def _enforced(found: dict[str, Value], call: Call) -> None:
    """What the policy did with the call."""
    if call.verdict is not None:
        found[semconv.VERDICT] = call.verdict
    if call.decisions and call.policy_version:
        found[semconv.POLICY_VERSION] = call.policy_version
    if call.cache is not None:
        _cache(found, call.cache)
    if call.expected is not None:
        found.update(zip(_EXPECTED, call.expected, strict=True))
    if not call.attempts:
        return
    found[semconv.ATTEMPTS] = len(call.attempts)
    if call.route_from:
        found[semconv.ROUTE_FROM] = call.route_from
    if call.fallback_from:
        found[semconv.FALLBACK_FROM] = call.fallback_from
    if waited_s := sum(attempt.waited_s for attempt in call.attempts):
        found[semconv.WAITED] = waited_s


def _cache(found: dict[str, Value], cache: CacheOutcome) -> None:
    found[semconv.CACHE_OUTCOME] = cache.outcome
    found[semconv.CACHE_KIND] = cache.kind
    if cache.key is not None:
        found[semconv.CACHE_KEY] = cache.key
    if cache.age_s is not None:
        found[semconv.CACHE_AGE] = cache.age_s
    if cache.saved_usd is not None:
        found[semconv.CACHE_SAVED_USD] = cache.saved_usd
    if cache.saved_s is not None:
        found[semconv.CACHE_SAVED_SECONDS] = cache.saved_s


def documents_of(call: Call) -> list[Part]:
    """What was found or ranked, each with its text where that is known."""
    given = call.request.documents or []
    made: list[Part] = []
    for document in call.reading.documents:
        place = str(document.get("id", ""))
        if "content" not in document and place.isdecimal() and int(place) < len(given):
            made.append({**document, "content": given[int(place)]})
        else:
            made.append(document)
    return made


def error_type_of(error: BaseException) -> str:
    """`error.type` where the provider gave no word for it: timeout, cancelled, a refusal's own name, else the
    exception's qualified one.
    """
    kind = type(error)
    if isinstance(error, Blocked):
        return kind.__name__
    if kind.__name__ in {"CancelledError", "Cancelled"}:
        return "cancelled"
    if isinstance(error, TimeoutError):
        return "timeout"
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def metric_attributes(call: Call, error_type: str | None) -> dict[str, Value]:
    """The attributes that all of a call's metrics share; never user, session or prompt (cardinality)."""
    found = start_attributes(call)
    if call.reading.model:
        found[semconv.RESPONSE_MODEL] = call.reading.model
    if error_type:
        found[semconv.ERROR_TYPE] = error_type
    return found
