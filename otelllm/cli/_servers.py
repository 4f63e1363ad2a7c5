"""How the collector and the dashboard are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._extras import need
from ._options import LOOPBACK, Address
from ._ports import check_free

if TYPE_CHECKING:
    from ._children import Child, Children


__all__ = ["start_collector", "start_dashboard"]


def start_collector(children: Children, http: Address, data: str | None, *more: str) -> Child:
    """The collector, listening at `http`; its folder is its own choice where none is given. `more` are its options."""
    need("the collector", "collector")
    check_free(http, "--http HOST:PORT")
    folder = ["--data", data] if data else []
    return children.start("otelllm_collector", "--http", str(http), *folder, *more, ready="otelllm collector ready: ")


def start_dashboard(children: Children, port: int, url: str) -> Child:
    """The dashboard on this machine, asking the collector at `url`."""
    need("the dashboard", "dashboard")
    check_free(Address(LOOPBACK, port), "--port")
    return children.start("otelllm_dashboard", "--port", str(port), "--url", url, ready="otelllm dashboard ready: ")
