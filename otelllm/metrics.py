"""The GenAI client metrics: the instruments, made once, and what one call records on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import semconv
from .attributes import metric_attributes
from .tallies import Tallies, Told

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

    from .call import Call, Value

__all__ = ["Instruments"]

_SECONDS = tuple(0.01 * 2**n for n in range(14))
_TOKENS = tuple(4.0**n for n in range(14))
_AGENT_SECONDS = tuple(0.1 * 2**n for n in range(13))
_SPENT = (semconv.OPERATION, semconv.PROVIDER, semconv.REQUEST_MODEL)
_MCP_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_WORKFLOW_SECONDS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)

_COUNTERS = {
    semconv.METRIC_COST: ("USD", "Cost of GenAI operations.", (*_SPENT, semconv.FEATURE)),
    semconv.METRIC_ATTEMPTS: (
        "{attempt}", "Requests let go to a provider, by how they ended.", (semconv.PROVIDER, "outcome"),
    ),
    semconv.METRIC_CACHE_LOOKUPS: (
        "{call}", "Calls that a response cache was asked for.", (semconv.CACHE_KIND, "outcome"),
    ),
    semconv.METRIC_DECISIONS: (
        "{decision}", "What rules of the policy decided on calls.", ("stage", "rule", "mode", "outcome"),
    ),
}  # fmt: skip
_tallies = Tallies()

REMEMBERED = 1024


class _Sets(NamedTuple):
    """The attribute sets of calls that are alike, made once: nobody changes them, the SDK copies what it keeps."""

    shared: dict[str, Value]
    input: dict[str, Value]
    output: dict[str, Value]
    spent: Told


class Instruments:
    """One meter's instruments, with the buckets that the conventions advise."""

    def __init__(self, meter: Meter, *, per_chunk: bool = False) -> None:
        def histogram(name: str, unit: str, bounds: tuple[float, ...], description: str):  # type: ignore[no-untyped-def]  # the API's Histogram is abstract and private by version
            return meter.create_histogram(
                name, unit=unit, description=description, explicit_bucket_boundaries_advisory=bounds
            )

        self._duration = histogram(semconv.METRIC_DURATION, "s", _SECONDS, "Duration of a GenAI operation.")
        self._tokens = histogram(semconv.METRIC_TOKENS, "{token}", _TOKENS, "Input and output tokens used.")
        self._first = histogram(
            semconv.METRIC_TIME_TO_FIRST_CHUNK, "s", _SECONDS, "Time to the first chunk of a streamed answer."
        )
        # One record costs more than all else that we do a chunk: only where a setting asks for it.
        self._gap = (
            histogram(semconv.METRIC_TIME_PER_OUTPUT_CHUNK, "s", _SECONDS, "Time between chunks of a streamed answer.")
            if per_chunk
            else None
        )
        self._spans = {
            semconv.EXECUTE_TOOL: histogram(semconv.METRIC_TOOL_DURATION, "s", _SECONDS, "Duration of a tool call."),
            semconv.INVOKE_AGENT: histogram(
                semconv.METRIC_AGENT_DURATION, "s", _AGENT_SECONDS, "Duration of an agent's run."
            ),
            semconv.INVOKE_WORKFLOW: histogram(
                semconv.METRIC_WORKFLOW_DURATION, "s", _WORKFLOW_SECONDS, "Duration of a workflow's run."
            ),
        }
        self._mcp = {
            name: histogram(name, "s", _MCP_SECONDS, f"Duration of an MCP request as its {side} sees it.")
            for name, side in ((semconv.METRIC_MCP_CLIENT_DURATION, "sender"),
                               (semconv.METRIC_MCP_SERVER_DURATION, "receiver"))
        }  # fmt: skip
        for name, (unit, description, attributes) in _COUNTERS.items():
            _tallies.export(meter, name, unit, description, attributes)
        self._known: dict[tuple[object, ...], _Sets] = {}

    def record(self, call: Call, error_type: str | None) -> None:
        """What one finished model call adds."""
        shared, of_input, of_output, spent = self._sets(call, error_type)
        timing, usage = call.timing, call.reading.usage
        if timing.ended is not None and timing.sent:
            self._duration.record((timing.ended - timing.sent) / 1e9, shared)
        if timing.first_chunk is not None:
            self._first.record((timing.first_chunk - timing.sent) / 1e9, shared)
        if self._gap is not None:
            for gap in timing.gaps:
                self._gap.record(gap / 1e9, shared)
        if usage is not None and not usage.estimated:  # the standard metric holds the provider's counts only
            if usage.input is not None:
                self._tokens.record(usage.input, of_input)
            if usage.output is not None:
                self._tokens.record(usage.output, of_output)
        if call.cost is not None and call.cost.usd:
            _tallies.add(semconv.METRIC_COST, call.cost.usd, spent)
        if call.decisions or call.attempts or call.cache is not None:
            self._record_rules(call)

    def _record_rules(self, call: Call) -> None:
        """What the policy did."""
        self.record_decisions(call)
        if call.cache is not None:
            _tallies.add(semconv.METRIC_CACHE_LOOKUPS, 1, (call.cache.kind, call.cache.outcome))
        for attempt in call.attempts:
            outcome = "ok" if attempt.failure is None else attempt.failure.kind
            _tallies.add(semconv.METRIC_ATTEMPTS, 1, (call.provider, outcome))

    def record_decisions(self, call: Call) -> None:
        """What rules decided: by rule, never by whom it counted (cardinality)."""
        for it in call.decisions:
            _tallies.add(semconv.METRIC_DECISIONS, 1, (it.stage, it.rule, it.mode, it.outcome))

    def record_cost(self, call: Call, error_type: str | None) -> None:
        """What a call cost: all that we count of one whose span, and whose other metrics, are somebody else's."""
        if call.cost is not None and call.cost.usd:
            _tallies.add(semconv.METRIC_COST, call.cost.usd, self._sets(call, error_type).spent)

    def _sets(self, call: Call, error_type: str | None) -> _Sets:
        request, model, feature = call.request.model, call.reading.model, call.scope.feature
        key = (call.operation, call.provider, request, call.server, model, error_type, feature)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            shared = metric_attributes(call, error_type)
            spent = (*(shared.get(name) for name in _SPENT), feature or None)
            of_input, of_output = {**shared, semconv.TOKEN_TYPE: "input"}, {**shared, semconv.TOKEN_TYPE: "output"}
            found = self._known[key] = _Sets(shared, of_input, of_output, spent)
        return found

    def record_step(self, operation: str, seconds: float, attributes: dict[str, Value]) -> None:
        """The duration of a tool, agent or workflow; other operations have no metric."""
        histogram = self._spans.get(operation)
        if histogram is not None:
            histogram.record(seconds, attributes)

    def record_mcp(self, metric: str, seconds: float, attributes: dict[str, Value]) -> None:
        """The duration of one MCP request; `metric` is one of the two names."""
        self._mcp[metric].record(seconds, attributes)
