"""The collector's settings, from the command line and the environment."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BadSetting", "Settings", "is_loopback", "read_settings"]

MB = 1024 * 1024


class BadSetting(Exception):  # noqa: N818  says what happened, as the library's own do
    """A setting of the user's that can't be followed; the text names it and the way out."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the collector runs."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 4318
    allow_remote: bool = False
    body_limit: int = 64 * MB
    """Bytes of a request's body, before and after inflating."""
    in_flight_limit: int = 128 * MB
    """Inflated bytes accepted but not yet committed; beyond that senders are asked to come again."""
    sql_timeout_s: float = 30.0
    sql_row_limit: int = 100_000
    memory_limit: str = "1GB"
    """DuckDB's own buffers."""


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_settings(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the command line, then the environment, then the defaults."""
    parser = argparse.ArgumentParser(
        prog="otelllm_collector", description="Receive OTLP, keep it in DuckDB, answer questions about it."
    )
    parser.add_argument("--data", help="folder of the database (OTELLLM_DATA)", default=environ.get("OTELLLM_DATA"))
    parser.add_argument(
        "--http",
        help="HOST:PORT of OTLP/HTTP and the query API (OTELLLM_HTTP); port 0 is any free one",
        default=environ.get("OTELLLM_HTTP", "127.0.0.1:4318"),
    )
    chosen = parser.parse_args(arguments)
    host, port = _address(chosen.http)
    allow_remote = environ.get("OTELLLM_ALLOW_REMOTE") == "1"
    if not (is_loopback(host) or allow_remote):
        raise BadSetting(
            f"--http {chosen.http!r} can be reached from other machines, and whoever reaches it can read every prompt; "
            "use 127.0.0.1, or set OTELLLM_ALLOW_REMOTE=1 where a firewall or a proxy with a login stands before it"
        )
    data = Path(chosen.data).expanduser() if chosen.data else _default_data(environ)
    return Settings(data=data, host=host, port=port, allow_remote=allow_remote)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadSetting(f"--http {text!r} is not HOST:PORT; try 127.0.0.1:4318")
    return host.strip("[]"), int(port)


def _default_data(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "otelllm"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "otelllm"
