"""Routes and output limits: what is sent in place of what the app asked, and what the span says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import otelllm
from otelllm import semconv
from otelllm.call import Call, Request, Scope
from otelllm.enforce.match import compile_when
from otelllm.policy import from_mapping

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .apps import Asking

CHEAP = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


def _decisions(otel: Telemetry) -> list[tuple[Any, ...]]:
    events = [it for it in otel.span.events if it.name == semconv.EVENT_DECISION]
    return [tuple((it.attributes or {})[key] for key in ("stage", "rule", "outcome", "reason")) for it in events]


def test_a_route_sends_another_model_and_says_so(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    cheap = CHEAP[asking.way.sdk]
    otel.instrument(policy={"routes": [{"name": "intents", "when": {"feature": "intent"}, "model": cheap}]})
    with otelllm.context(feature="intent"):
        bare = asking.ask()
    assert provider.last.json["model"] == cheap
    assert bare
    asked = asking.arguments()["model"]
    assert otel.attributes[semconv.REQUEST_MODEL] == cheap
    assert otel.attributes[semconv.ROUTE_FROM] == asked
    assert otel.span.name == f"chat {cheap}"
    assert _decisions(otel) == [("routing", "intents", "route", f"{asked} -> {cheap}")]


def test_other_calls_go_where_they_would(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    otel.instrument(policy={"routes": [{"when": {"feature": "intent"}, "model": "other"}]})
    asking.ask()
    assert provider.last.json["model"] == asking.arguments()["model"]
    assert semconv.ROUTE_FROM not in otel.attributes
    assert _decisions(otel) == []


def test_a_route_may_go_by_the_prompts_size(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    otel.instrument(policy={"routes": [{"when": {"input_tokens": "> 1_000"}, "model": "long-context"}]})
    asking.ask("a few words")
    assert provider.last.json["model"] == asking.arguments()["model"]
    asking.ask("many words " * 1_000)
    assert provider.last.json["model"] == "long-context"
    assert otel.spans[-1].attributes[semconv.ROUTE_FROM] == asking.arguments()["model"]


def test_a_route_in_shadow_changes_nothing(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    otel.instrument(policy={"routes": [{"name": "try", "mode": "shadow", "model": "other"}]})
    asking.ask()
    asked = asking.arguments()["model"]
    assert provider.last.json["model"] == asked
    assert _decisions(otel) == [("routing", "try", "would_route", f"{asked} -> other")]


def test_the_first_route_that_is_meant_decides(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    routes = [{"when": {"feature": "x"}, "model": "a"}, {"model": "b"}, {"model": "c"}]
    otel.instrument(policy={"routes": routes})
    asking.ask()
    assert provider.last.json["model"] == "b"


def test_an_answer_is_limited_where_the_app_asks_for_more(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    otel.instrument(policy={"outputs": [{"name": "short", "max_max_tokens": 50}]})
    asking.ask(max_tokens=80)
    assert provider.last.json["max_tokens"] == 50
    assert otel.attributes[semconv.REQUEST_MAX_TOKENS] == 50
    assert _decisions(otel) == [("outputs", "short", "limit", "max_tokens 80 -> 50")]


def test_less_than_the_limit_stays(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    otel.instrument(policy={"outputs": [{"default_max_tokens": 10, "max_max_tokens": 50}]})
    asking.ask(max_tokens=20)
    assert provider.last.json["max_tokens"] == 20
    assert _decisions(otel) == []


@pytest.mark.parametrize(
    ("model", "named", "limit"),
    [("gpt-4o", {}, "max_tokens"), ("gpt-5-mini", {}, "max_completion_tokens"), ("o3", {}, "max_completion_tokens"),
     ("gpt-4o", {"max_completion_tokens": 90}, "max_completion_tokens")],
)  # fmt: skip
def test_openai_gets_a_limit_under_the_name_that_its_model_takes(model, named, limit):
    from otelllm.openai_format.chat import CHAT

    assert CHAT.limit_output({"model": model, **named}, 40) == {limit: 40}


def test_without_a_limit_the_default_is_sent(provider: Provider, otel: Telemetry) -> None:
    from .apps import Asking, Way, answer_all

    way = Way("openai", "sync", is_streamed=False)
    answer_all(provider, way)
    asking = Asking(way, provider.url)
    otel.instrument(policy={"outputs": [{"default_max_tokens": 40, "max_max_tokens": 50}]})
    asking.ask()
    asking.app.stop()
    assert provider.last.json["max_tokens"] == 40


def _share(user: str | None, salt: str, session: str | None = None) -> bool:
    call = Call("openai", "chat", Request(model="m"), Scope(user=user, session=session))
    return compile_when({"share": 0.2}, salt).applies(call)


def test_a_share_keeps_each_user_and_falls_differently_for_each_rule():
    users = [f"u-{number}" for number in range(2_000)]
    first, again, other = ([_share(user, salt) for user in users] for salt in ("a", "a", "b"))
    assert first == again
    assert 300 < sum(first) < 500
    both = sum(one and two for one, two in zip(first, other, strict=True))
    assert 40 < both < 130


def test_a_share_of_calls_without_a_user_goes_by_session_or_by_chance():
    assert len({_share(None, "a", session="s-1") for _ in range(50)}) == 1
    assert len({_share(None, "a") for _ in range(200)}) == 2


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"routes": [{"when": {}}]}, "says where a call goes: give it model, or shadow_to"),
        ({"routes": [{"model": "a", "shadow_to": "b"}]}, "and not both"),
        ({"routes": [{"model": "a", "share": 0.1}]}, "routes.share belongs to shadow_to"),
        ({"routes": [{"model": "a", "when": {"share": 2}}]}, "routes.when.share = 2 is not a share"),
        ({"outputs": [{}]}, r"needs default_max_tokens, max_max_tokens or both"),
        ({"outputs": [{"default_max_tokens": 9, "max_max_tokens": 5}]}, "is more than outputs.max_max_tokens = 5"),
        ({"outputs": [{"max_max_tokens": 0}]}, "outputs.max_max_tokens = 0 is not a whole number from 1 on"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(policy, says):
    with pytest.raises(otelllm.BadConfig, match=says):
        from_mapping(policy)
