"""Onward to the backends that a team already has: OTLP out, by HTTP or gRPC, at least once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..exporter_status import Status
from ..journal import Journal
from ..stores.spec import Store
from .choosing import Summary
from .forwarder import Forwarder
from .settings import Destination, read_destinations
from .spec import Sender

__all__ = ["Exporters", "Status", "read_destinations"]

_SUMMARIES = """
select t.trace_id, t.errors, t.duration_ms, t.cost_usd, (
    select min(s.value) from scores as s where s.trace_id = t.trace_id
)
from traces as t
where t.trace_id in ({})
"""
_TIMEOUT_S = 10.0


class Exporters:
    """All of a collector's exporters, each with its thread."""

    def __init__(
        self,
        destinations: Sequence[Destination],
        journal: Journal,
        store: Store,
        catch_up: Callable[[float], object] = lambda _: None,
    ) -> None:
        """`catch_up` waits until the store has what is in the journal, at most so long."""
        self._store, self._catch_up = store, catch_up
        self._forwarders = [Forwarder(to, _sender(to), journal, self._summaries) for to in destinations]

    def start(self) -> None:
        """Begin where they were left."""
        for one in self._forwarders:
            one.start()

    def close(self) -> None:
        """End after the requests that are under way."""
        for one in self._forwarders:
            one.stop()
        for one in self._forwarders:
            one.close()

    @property
    def statuses(self) -> list[Status]:
        """Of each, as of now."""
        return [one.status for one in self._forwarders]

    def _summaries(self, trace_ids: Iterable[str]) -> Mapping[str, Summary]:
        self._catch_up(_TIMEOUT_S)
        ids = [f"'{int(one, 16):032x}'" for one in trace_ids]  # hexadecimal, and nothing else
        found = self._store.sql(_SUMMARIES.format(", ".join(ids)), len(ids) * 2, _TIMEOUT_S)
        made: dict[str, Summary] = {}
        for trace_id, errors, duration_ms, cost_usd, lowest in found.rows:
            made[str(trace_id)] = Summary(
                _int(errors), (_float(duration_ms) or 0.0) / 1e3, _float(cost_usd), _float(lowest)
            )
        return made


def _sender(to: Destination) -> Sender:
    if to.protocol == "grpc":
        from .grpc import GrpcSender  # noqa: PLC0415  grpcio takes 60 ms to load

        return GrpcSender(to)
    from .http import HttpSender  # noqa: PLC0415  for symmetry with the above

    return HttpSender(to)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
