"""Whose answers a call gets from the cache: its scope's, its client's, its credentials'; through the real SDKs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from library.cache.asking import Case
from library.cache.told import FOUR, MESSAGE_STREAM, MOSTLY_SYNC, WHOLE, Make, decisions, exact, outcomes

import otelllm
import otelllm.cache

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider


@pytest.mark.parametrize(
    ("scope", "mine", "yours", "shared"),
    [
        ("user", {"user": "u1"}, {"user": "u2"}, False),
        ("user", {"user": "u1"}, {"user": "u1", "feature": "search"}, True),
        ("tag:tenant", {"tags": {"tenant": "a"}}, {"tags": {"tenant": "b"}}, False),
        ("tag:tenant", {"tags": {"tenant": "a"}, "user": "u1"}, {"tags": {"tenant": "a"}, "user": "u2"}, True),
        ("feature", {"feature": "search"}, {"feature": "support"}, False),
        (["feature", "user"], {"feature": "f", "user": "u1"}, {"feature": "f", "user": "u2"}, False),
        ("all", {"user": "u1"}, {"user": "u2"}, True),
        ("all", {"prompt": ("p", "1")}, {"prompt": ("p", "2")}, False),
        ("all", {"depends_on": ["kb:42@v7"]}, {"depends_on": ["kb:42@v8"]}, False),
        ("all", {"depends_on": ["a@1", "b@1"]}, {"depends_on": ["b@1", "a@1"]}, True),
    ],
)
@MOSTLY_SYNC
@pytest.mark.parametrize("case", [WHOLE, MESSAGE_STREAM], ids=str)
def test_answers_stay_in_their_scope(
    otel: Telemetry, make_app: Make, provider: Provider, case: Case, scope: Any, mine: Any, yours: Any, shared: bool
) -> None:
    """One user's answer is no other's, unless the policy says so."""
    otel.instrument(policy=exact(scope=scope))
    app = make_app(case.sdk)
    for said in (mine, yours):
        case.answer(provider)
        with otelllm.context(**said):
            case.ask(app)
    assert outcomes(otel) == ["stored", "hit" if shared else "stored"]
    provider._queue.clear()


@FOUR
def test_without_a_scope_nothing_is_cached(otel: Telemetry, make_app: Make, provider: Provider, case: Case) -> None:
    """By default answers are kept apart by user: a call that names none gets its own answer, and its span says why."""
    otel.instrument(policy={"cache": {"exact": {}}})
    app = make_app(case.sdk)
    for _ in range(2):
        case.answer(provider)
        case.ask(app)
    assert outcomes(otel) == ["skipped", "skipped"]
    reason = "the call has no user, by which answers are kept apart"
    assert decisions(otel) == [("cache.exact", "enforce", "skip", "user", reason)] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": "sk-other"},
        {"organization": "org-2"},
        {"project": "p2"},
        {"default_headers": {"x-tenant": "b"}},
        {"default_query": {"deployment": "b"}},
    ],
    ids=str,
)
@MOSTLY_SYNC
def test_another_clients_answers_are_its_own(
    cached: Telemetry, make_app: Make, provider: Provider, change: dict[str, Any]
) -> None:
    """Credentials and whatever else a client is set to always count."""
    for app in (make_app("openai"), make_app("openai", **change), make_app("openai")):
        WHOLE.answer(provider)
        WHOLE.ask(app)
    assert outcomes(cached) == ["stored", "stored", "hit"]
    provider._queue.clear()


def test_what_the_http_client_sends_along_counts(cached: Telemetry, make_app: Make, provider: Provider) -> None:
    """Headers of its own, set at once or later; with an auth of its own nobody can tell whose it is."""
    app = make_app("openai")
    for tenant in ("a", "b", "a"):
        app.client._client.headers["x-tenant"] = tenant
        WHOLE.answer(provider)
        WHOLE.ask(app)
    app.client._client.auth = ("user", "password")
    app.client.api_key = "sk-2"
    WHOLE.answer(provider)
    WHOLE.ask(app)
    assert outcomes(cached) == ["stored", "stored", "hit", "skipped"]
    provider._queue.clear()


def test_a_key_that_is_changed_later_counts(cached: Telemetry, make_app: Make, provider: Provider) -> None:
    """The client is looked at for each call."""
    app = make_app("openai")
    for key in ("sk-test", "sk-other", "sk-test"):
        app.client.api_key = key
        WHOLE.answer(provider)
        WHOLE.ask(app)
    assert outcomes(cached) == ["stored", "stored", "hit"]
    provider._queue.clear()


def test_credentials_that_can_not_be_told_make_no_hit(cached: Telemetry, make_app: Make, provider: Provider) -> None:
    """A function that gives the key: what it will say is not ours to ask."""
    app = make_app("openai", api_key=(lambda: "sk-test") if make_app("openai").kind == "sync" else _key)
    for _ in range(2):
        WHOLE.answer(provider)
        WHOLE.ask(app)
    assert outcomes(cached) == ["skipped", "skipped"]
    assert decisions(cached)[0][4] == "with whose credentials the client asks can't be told"


async def _key() -> str:
    return "sk-test"
