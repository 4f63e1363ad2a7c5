"""What a span is called and the few facts that stand beside its name."""

from __future__ import annotations

from otelllm_dashboard import format as fmt
from otelllm_dashboard.charts.tree import Row, Sums
from otelllm_dashboard.client import Span


def title(span: Span) -> str:
    """The span's name; where it has none, what it did."""
    return span["name"] or span["operation"] or "(no name)"


def facts(span: Span) -> list[str]:
    """The span's own facts, the most telling first: `5 results`, `5 → 3`, `120→24 tok`, `TTFT 80 ms`, `$0.0002`."""
    found: list[str] = []
    if span["retrieval_count"] is not None:
        found.append(fmt.plural(span["retrieval_count"], "result"))
    if span["rerank_in"] is not None or span["rerank_out"] is not None:
        found.append(f"{fmt.count(span['rerank_in'])} → {fmt.count(span['rerank_out'])}")
    if span["verdict"] in ("block", "redact"):
        found.append({"block": "blocked", "redact": "redacted"}[span["verdict"]])
    if span["stream_end"] not in (None, "complete"):
        found.append(f"stream {span['stream_end']}")
    if span["input_tokens"] is not None or span["output_tokens"] is not None:
        found.append(tokens(span["input_tokens"], span["output_tokens"]))
    if span["ttft_ms"] is not None:
        found.append(f"TTFT {fmt.duration(span['ttft_ms'])}")
    if span["cost_usd"] is not None:
        found.append(fmt.money(span["cost_usd"]))
    return found


def tokens(input_tokens: int | None, output_tokens: int | None) -> str:
    """Tokens in and out: `120→24 tok`; an embedding has only the first."""
    if output_tokens is None:
        return f"{fmt.count(input_tokens)} tok"
    return f"{fmt.count(input_tokens)}→{fmt.count(output_tokens)} tok"


def rolled_up(sums: Sums) -> list[str]:
    """What a parent's children used together."""
    found: list[str] = []
    if sums.input_tokens is not None or sums.output_tokens is not None:
        found.append("Σ " + tokens(sums.input_tokens, sums.output_tokens))
    if sums.cost_usd is not None:
        found.append(("" if found else "Σ ") + fmt.money(sums.cost_usd))
    return found


def row_facts(row: Row) -> list[str]:
    """The facts of a line of the waterfall: its own, else the sums of what is below it, and what is not drawn."""
    if row.is_rest:
        found = []
    elif row.sums.spans > 1:
        own = [fact for fact in facts(row.span) if not fact.startswith("$") and not fact.endswith(" tok")]
        found = own + rolled_up(row.sums)
    else:
        found = facts(row.span)
    if row.hidden and not row.is_rest:
        found.insert(0, f"+{fmt.count(row.hidden)} not drawn")
    return found


def searchable(span: Span) -> str:
    """Everything short about a span in one lower-case line, to look for words in."""
    fields = (
        span["name"], span["operation"], span["provider"], span["request_model"], span["response_model"],
        span["tool_name"], span["agent_name"], span["workflow_name"], span["error_type"], span["service"],
        span["span_id"],
    )  # fmt: skip
    return " ".join(str(value) for value in fields if value).lower()
