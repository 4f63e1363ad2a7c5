"""The options that commands share. Each is also a variable, and the collector and dashboard read the same ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ._failure import Failure

if TYPE_CHECKING:
    import argparse

    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["HTTP", "LOOPBACK", "PORT", "Address", "address", "data", "format_", "given", "grpc", "http", "port", "url"]

LOOPBACK = "127.0.0.1"

HTTP = f"{LOOPBACK}:4318"
PORT = 8501
URL = f"http://{HTTP}"


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address(text: str) -> Address:
    """HOST:PORT as an address."""
    host, _, number = text.rpartition(":")
    if not host or not number.isdecimal() or int(number) > 65535:
        raise Failure(f"--http {text!r} is not HOST:PORT; try {HTTP}")
    return Address(host.strip("[]"), int(number))


def data(parser: argparse.ArgumentParser) -> None:
    """--data: the collector's folder. Its default is the collector's own."""
    parser.add_argument("--data", metavar="DIR", help="the folder of the database (OTELLLM_DATA)", default=_env("DATA"))


def http(parser: argparse.ArgumentParser, default: str | None = HTTP) -> None:
    """--http: where the collector listens."""
    parser.add_argument(
        "--http", metavar="HOST:PORT", help=f"OTLP and the query API; port 0 is any free one (OTELLLM_HTTP, {HTTP})",
        default=_env("HTTP") or default,
    )  # fmt: skip


def grpc(parser: argparse.ArgumentParser) -> None:
    """--grpc: where the collector listens for OTLP/gRPC. Its default is the collector's own."""
    parser.add_argument(
        "--grpc", metavar="HOST:PORT",
        help=f"OTLP/gRPC; port 0 is any free one, off is none (OTELLLM_GRPC, {LOOPBACK}:4317)",
    )  # fmt: skip


def given(args: argparse.Namespace, *names: str) -> list[str]:
    """Those options that were given, as words of a command; the collector reads their variables itself."""
    found = []
    for name in names:
        values = getattr(args, name) or []
        for value in values if isinstance(values, list) else [values]:
            found += [f"--{name.replace('_', '-')}", value]
    return found


def port(parser: argparse.ArgumentParser, default: int | None = PORT) -> None:
    """--port: where the dashboard listens."""
    # argparse reads a default that is a text as it reads the option.
    parser.add_argument(
        "--port",
        type=port_number,
        help=f"the dashboard's; 0 is any free one (OTELLLM_PORT, {PORT})",
        default=_env("PORT") or default,
    )


def port_number(text: str) -> int:
    """A port of the dashboard."""
    if not text.isdecimal() or int(text) > 65535:
        raise Failure(f"--port {text!r} is not a port; try {PORT}")
    return int(text)


def url(parser: argparse.ArgumentParser) -> None:
    """--url: the collector that is asked."""
    parser.add_argument("--url", help=f"the collector's address (OTELLLM_URL, {URL})", default=_env("URL") or URL)


def format_(parser: argparse.ArgumentParser, *more: str) -> None:
    """--format: how rows are written."""
    parser.add_argument(
        "--format", choices=["table", "json", "csv", *more], default="table", help="how rows are written"
    )


def _env(name: str) -> str | None:
    return os.environ.get(f"OTELLLM_{name}") or None
