"""Retries, key pools and streams that begin anew, with every provider's SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from wire.server import CUT, RESET, Reply, whole

from otelllm import semconv

from . import views
from .ways import Seen, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .row import Row

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

RETRIES = {"max_attempts": 3, "base": "1ms", "storm_ratio": 1.0}
KEYS = {"POOL_A": "canary-key-a", "POOL_B": "canary-key-b"}


def _steered(test: Any) -> Any:
    """A test of the rows whose calls can be given a key, and whose SDK's own retries can be turned off."""
    test.where = lambda row: row.retrying is not None
    return test


def _streams(test: Any) -> Any:
    """A test of streams."""
    test.streams = [True]
    return test


def _asked(app: Any, row: Row, streamed: bool) -> Any:
    method, arguments = row.ask(app.client, streamed=streamed, timeout_s=None)
    for name in row.not_retrying:
        del arguments[name]
    result = app.call(method, **arguments)
    return app.read(result) if streamed else result


@pytest.fixture
def pool(row: Row, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two keys of this provider."""
    for name, secret in KEYS.items():
        monkeypatch.setenv(name, secret)
    return {"provider": row.provider, "keys": [f"env:{name}" for name in KEYS], "cooldown": "1h"}


def _raised(app: Any, row: Row, streamed: bool) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011  the SDK's own
        _asked(app, row, streamed)
    return caught.value


@_steered
def test_ours_are_in_place_of_the_sdks(
    otel: Telemetry, provider: Provider, make_app: Callable[..., Any], row: Row, kind: str, streamed: bool
) -> None:
    """A client that would try more often by itself; what it raises in the end is its own."""
    otel.instrument()
    provider.always = whole("{}", status=503)
    bare = _raised(make_app(), row, streamed)
    before = len(provider.requests)
    otel.clear()
    otel.instrument(policy={"retries": RETRIES})
    assert type(_raised(make_app(**row.retrying), row, streamed)) is type(bare)
    assert len(provider.requests) - before == 3
    assert otel.attributes[semconv.ATTEMPTS] == 3


@_steered
def test_another_key_is_taken_where_one_is_refused(
    otel: Telemetry, provider: Provider, make_app: Callable[..., Any], row: Row, kind: str, streamed: bool, pool: Any
) -> None:
    """And the app gets its answer."""
    otel.instrument(policy={"retries": RETRIES, "keys": [pool]})
    provider.reply(whole("{}", status=429), row.reply(row.events) if streamed else whole(row.answer))
    app = make_app()
    assert _asked(app, row, streamed)
    used = [next(key for key in KEYS.values() if key in str(one.headers)) for one in provider.requests]
    assert len(set(used)) == 2
    assert otel.attributes[semconv.ATTEMPTS] == 2
    assert "canary-key" not in otel.everything()
    provider.reply(row.reply(row.events) if streamed else whole(row.answer))
    assert _asked(app, row, streamed), "the app's client is as it was"


@_streams
@pytest.mark.parametrize("how", [CUT, RESET])
def test_a_stream_that_is_lost_before_its_first_chunk_begins_anew(
    otel: Telemetry, provider: Provider, make_app: Callable[..., Any], row: Row, kind: str, how: Any
) -> None:
    """The app's stream gives what it would have given at once, and is of the same class; one span tells of both."""
    otel.instrument(policy={"retries": RETRIES}, capture="full")
    app = make_app()
    seen = []
    for replies in ([row.events], [[how], row.events]):
        otel.clear()
        provider.reply(*(row.reply(steps) for steps in replies))
        told = Seen(0, row)
        stream = ask(app, row, streamed=True)
        told.things.append(type(stream))
        told.got(*app.read(stream))
        seen.append(told.things)
    assert seen[0] == seen[1]
    attributes = otel.attributes
    assert attributes[semconv.ATTEMPTS] == 2
    assert attributes[semconv.STREAM_END] == "complete"
    assert semconv.ERROR_TYPE not in attributes
    if row.stream_text is not None:
        assert json.dumps(row.stream_text)[1:-1] in attributes[semconv.OUTPUT_MESSAGES]


def _viewed(test: Any) -> Any:
    """A test of views, which are the same whichever way their call is made."""
    test.where = lambda row: row.views
    test.streams = [True]
    return test


@_viewed
@pytest.mark.parametrize(
    "act", [views.raw_stream, views.view_of_a_stream, views.view_of_a_streams_bytes, views.view_parsed,
            views.view_of_the_bytes], ids=lambda act: act.__name__,
)  # fmt: skip
def test_a_view_whose_body_is_lost_before_its_first_piece_begins_anew(
    otel: Telemetry, provider: Provider, make_app: Callable[..., Any], row: Row, kind: str, act: Any
) -> None:
    """A stream, or a whole body that is read later: the app gets of it what it would have got at once."""
    otel.instrument(policy={"retries": RETRIES})
    app = make_app()
    is_stream = "stream" in act.__name__
    seen = []
    for lost in ([], [row.reply([CUT]) if is_stream else Reply(steps=[CUT])]):
        otel.clear()
        provider.reply(*lost)
        told = Seen(0, row)
        act(app, provider, row, told)
        seen.append(told.things)
    assert seen[0] == seen[1]
    attributes = otel.attributes
    assert attributes[semconv.ATTEMPTS] == 2
    assert semconv.ERROR_TYPE not in attributes
    for name, value in (row.stream_facts if is_stream else row.facts).items():
        assert attributes.get(name) == value, name


def _opens_with_an_error(test: Any) -> Any:
    """A test of streams in which an event may be an error that passes."""
    test.where = lambda row: row.error_event and not row.error_stays
    test.streams = [True]
    return test


@_opens_with_an_error
def test_a_stream_whose_first_event_is_an_error_begins_anew(
    otel: Telemetry, provider: Provider, make_app: Callable[..., Any], row: Row, kind: str
) -> None:
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(row.reply([row.error_event]), row.reply(row.events))
    app = make_app()
    seen = Seen(0, row)
    seen.got(*app.read(ask(app, row, streamed=True)))
    assert len(seen.things) >= row.taken
    assert otel.attributes[semconv.ATTEMPTS] == 2
    assert otel.attributes[semconv.STREAM_END] == "complete"
    first, last = (dict(event.attributes or {}) for event in otel.span.events if event.name == semconv.EVENT_ATTEMPT)
    assert first[semconv.ERROR_TYPE]
    assert semconv.ERROR_TYPE not in last


@_streams
def test_where_every_attempt_is_lost_the_app_gets_the_sdks_error(
    otel: Telemetry, provider: Provider, make_app: Callable[..., Any], row: Row, kind: str
) -> None:
    """As it is of a single one."""
    otel.instrument()
    provider.reply(row.reply([CUT]))
    app = make_app()
    bare = _raised(app, row, True)
    before = len(provider.requests)
    otel.clear()
    otel.instrument(policy={"retries": RETRIES})
    provider.always = row.reply([CUT])
    assert type(_raised(app, row, True)) is type(bare)
    assert len(provider.requests) - before == 3
    assert otel.attributes[semconv.ATTEMPTS] == 3
    assert otel.attributes[semconv.STREAM_END] == "broken"
