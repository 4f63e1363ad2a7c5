"""Costs: computed where nobody said them, computed anew when prices change, left alone where somebody reported them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import ids, request, span
from collector.test_export import ALL, in_order
from collector.upkeep import driven

from otelllm import pricing
from otelllm.cli import main
from otelllm_collector.decode import decode
from otelllm_collector.encode import encode_spans
from otelllm_collector.prices import with_costs
from otelllm_collector.questions import Page
from otelllm_collector.rows import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.process import Collector

    from otelllm_collector.stores.spec import Store

NOW = 1_795_000_000_000_000_000
CHAT = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
    "gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 10_000,
}  # fmt: skip
GPT_5 = 1.25 + 0.1


@pytest.fixture(autouse=True)
def _own_prices() -> Iterator[None]:
    yield
    pricing.configure(None)


def batch_of(message: Any) -> Any:
    return with_costs(decode("traces", message.SerializeToString(), is_json=False, now_ns=NOW))


def costs(store: Store) -> dict[str, Any]:
    rows = store.sql("select name, cost_usd, cost_status from spans order by name", 100, 5).rows
    return {str(name): (cost, status) for name, cost, status in rows}


@pytest.mark.parametrize(
    ("attributes", "cost", "status"),
    [
        (CHAT, GPT_5, "exact"),
        (CHAT | {"gen_ai.response.model": "gpt-5-2025-08-07"}, GPT_5, "exact"),
        (CHAT | {"gen_ai.usage.cache_read.input_tokens": 1_000_000}, 0.125 + 0.1, "exact"),
        (CHAT | {"gen_ai.request.model": "nobody-knows-it"}, None, "unknown_model"),
        (CHAT | {"gen_ai.response.model": "nobody-knows-it"}, GPT_5, "exact"),
        (CHAT | {"otelllm.cost.usd": 7.0}, 7.0, None),
        (CHAT | {"otelllm.cost.status": "unknown_price"}, None, "unknown_price"),
        (CHAT | {"gen_ai.operation.name": "invoke_agent"}, None, None),
        (CHAT | {"openai.response.service_tier": "flex"}, GPT_5 / 2, "exact"),
    ],
)
def test_a_call_without_a_cost_is_priced(attributes: dict[str, Any], cost: float | None, status: str | None) -> None:
    message = request(span(attributes))
    batch = batch_of(message)
    row = batch.spans[0]
    assert row.cost_usd == (None if cost is None else pytest.approx(cost))
    assert row.cost_status == status
    assert in_order(encode_spans(batch)) == in_order(message)  # what was made is not given back as if it had come


def test_a_foreign_span_is_priced_by_what_its_names_mean() -> None:
    foreign = {
        "openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "llm.provider": "openai",
        "llm.token_count.prompt": 1_000_000, "llm.token_count.completion": 10_000,
    }  # fmt: skip
    message = request(span(foreign))
    batch = batch_of(message)
    assert batch.spans[0].cost_usd == pytest.approx(GPT_5)
    assert in_order(encode_spans(batch)) == in_order(message)


def test_prices_of_today_change_what_is_ours_and_nothing_else(store: Store) -> None:
    trace_id, _ = ids()
    other_model = CHAT | {"gen_ai.request.model": "new-model"}
    ours = {"otelllm.cost.usd": 0.5, "otelllm.cost.status": "exact", "otelllm.cost.source": "genai-prices@2025-01-01"}
    spans = {
        "computed": CHAT,
        "missing": other_model,
        "by the app's table": CHAT | ours,
        "by the app's own prices": CHAT | ours | {"otelllm.cost.source": "configured"},
        "by the provider": CHAT | ours | {"otelllm.cost.source": "provider"},
        "cached": CHAT | {"otelllm.cost.usd": 0.0, "otelllm.cost.status": "cached"},
        "billed apart": CHAT | ours | {"gen_ai.provider.name": "cohere"},
        "no call": {"gen_ai.operation.name": "execute_tool"},
    }
    sent = request(*(span(own, name=name, trace_id=trace_id, start_time_unix_nano=NOW) for name, own in spans.items()))
    store.write([batch_of(sent)])
    before = costs(store)
    assert before["missing"] == (None, "unknown_model")
    pricing.configure({"gpt-5": {"input": 2.0, "output": 10.0}, "new-model": {"input": 1.0, "output": 1.0}})
    assert driven(store, store.reprice(NOW + 1)) == {"calls": 0, "repriced": 0}
    assert driven(store, store.reprice(0)) == {"calls": 7, "repriced": 3}
    after = costs(store)
    assert after.pop("computed") == (pytest.approx(2.1), "exact")
    assert after.pop("by the app's table") == (pytest.approx(2.1), "exact")
    assert after.pop("missing") == (pytest.approx(1.01), "exact")
    assert after == {name: cost for name, cost in before.items() if name in after}
    [summary] = store.traces(ALL, Page(10))
    assert summary["cost_usd"] == pytest.approx(2.1 * 2 + 1.01 + sum(cost or 0 for cost, _ in after.values()))
    assert summary["unpriced_calls"] == 0
    assert driven(store, store.reprice(0)) == {"calls": 7, "repriced": 0}
    [batch] = store.batches(ALL)
    assert in_order(encode_spans(batch)) == in_order(sent)


def test_a_table_that_knows_less_takes_nothing_away(store: Store) -> None:
    pricing.configure({"local": {"input": 1.0, "output": 1.0}})
    store.write([batch_of(request(span(CHAT | {"gen_ai.request.model": "local"}, name="call")))])
    pricing.configure(None)
    assert driven(store, store.reprice(0))["repriced"] == 0
    assert costs(store)["call"] == (pytest.approx(1.01), "exact")


def test_by_command(collector: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OTELLLM_DATA", str(collector.data))
    collector.send(request(span(CHAT, name="priced at intake")))
    assert collector.sql("select cost_usd from spans where name = 'priced at intake'") == [[pytest.approx(GPT_5)]]
    assert main(["reprice", "--url", collector.url]) == 0
    assert capsys.readouterr().out == "1 calls looked at, 0 have another cost\n"
    assert main(["reprice", "--url", collector.url, "--since", "someday"]) == 1


def test_it_costs_microseconds_a_call() -> None:
    """5 µs a call here: a bound that only a mistake exceeds."""
    rows = batch_of(request(*(span(CHAT) for _ in range(2000)))).spans
    for row in rows:
        row.cost_usd = row.cost_status = None
    began = time.process_time()
    with_costs(Batch(spans=rows))
    assert (time.process_time() - began) / len(rows) < 100e-6
    assert all(row.cost_usd == pytest.approx(GPT_5) for row in rows)
