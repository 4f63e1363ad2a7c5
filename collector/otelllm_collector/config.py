"""The collector's settings, from the command line and the environment."""

from __future__ import annotations

import argparse
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from otelllm.folders import default_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Address", "BadSetting", "Settings", "Tls", "is_loopback", "read_settings"]

MB = 1024 * 1024
GRPC = "127.0.0.1:4317"


class BadSetting(Exception):  # noqa: N818  says what happened, as the library's own do
    """A setting of the user's that can't be followed; the text names it and the way out."""


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Tls(NamedTuple):
    """PEM files. With `client_ca` nobody is served who shows no certificate of that authority."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How the collector runs."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 4318
    grpc: Address | None = None
    """None: no OTLP/gRPC."""
    allow_remote: bool = False
    """Whether addresses that other machines reach may be open to everyone."""
    tls: Tls | None = None
    cors_origins: tuple[str, ...] = ()
    """Whose pages may send spans and feedback from a browser."""
    body_limit: int = 64 * MB
    """Bytes of an HTTP request's body, before and after inflating."""
    message_limit: int = 16 * MB
    """The same of a gRPC message."""
    body_timeout_s: float = 30.0
    """In which a request's head, and then its body, has to come."""
    connection_limit: int = 2000
    """HTTP connections at a time, idle ones included; those beyond are closed at once."""
    in_flight_limit: int = 128 * MB
    """Bytes accepted but not yet committed, of all receivers; beyond that senders are asked to come again."""
    sql_timeout_s: float = 30.0
    sql_row_limit: int = 100_000
    memory_limit: str = "1GB"
    """DuckDB's own buffers."""
    retention_days: str | None = None
    """As people write it, as the next three: `retention.read_retention` reads them."""
    retention_content_days: str | None = None
    retention_size: str | None = None
    retention_every: str | None = None
    config: Path | None = None
    """The file with the exporters' settings; None: nothing goes onward."""
    journal_size: int = 1024 * MB
    """Bytes that may wait for an exporter that is behind; and how long they may."""
    journal_age_s: float = 86_400.0

    @property
    def http(self) -> Address:
        """Where OTLP/HTTP and the query API are."""
        return Address(self.host, self.port)

    @property
    def remote(self) -> Address | None:
        """The first of the addresses that other machines reach."""
        addresses = [self.http, *([self.grpc] if self.grpc else [])]
        return next((address for address in addresses if not is_loopback(address.host)), None)


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
    chosen = _parser(environ).parse_args(arguments)
    http = _address("--http", chosen.http, "127.0.0.1:4318")
    grpc = chosen.grpc
    if grpc is None:  # whoever wants any free port for the one does not want to meet another collector at the other
        grpc = f"{Address(http.host, 0)}" if http.port == 0 else GRPC
    return Settings(
        data=Path(chosen.data).expanduser() if chosen.data else default_data(environ),
        host=http.host,
        port=http.port,
        grpc=None if grpc == "off" else _address("--grpc", grpc, f"{GRPC}, or off"),
        allow_remote=environ.get("OTELLLM_ALLOW_REMOTE") == "1",
        tls=_tls(chosen.tls_cert, chosen.tls_key, chosen.tls_client_ca),
        cors_origins=tuple(map(_origin, chosen.cors_origin or _listed(environ.get("OTELLLM_CORS_ORIGINS", "")))),
        body_timeout_s=_number("--body-timeout", chosen.body_timeout, "seconds", 30),
        connection_limit=int(_number("--connections", chosen.connections, "connections", 2000)),
        retention_days=chosen.retention_days,
        retention_content_days=chosen.retention_content_days,
        retention_size=chosen.retention_size,
        retention_every=chosen.retention_every,
        config=_config(chosen.config, Path(chosen.data).expanduser() if chosen.data else default_data(environ)),
        journal_size=int(_number("--journal-size", chosen.journal_size, "megabytes", 1024, 1e9) * MB),
        journal_age_s=_number("--journal-age", chosen.journal_age, "hours", 24) * 3600,
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="otelllm_collector", description="Receive OTLP, keep it in DuckDB, answer questions about it."
    )

    def add(name: str, text: str, default: str | None = None, variable: str = "") -> None:
        variable = variable or f"OTELLLM_{name.strip('-').upper().replace('-', '_')}"
        parser.add_argument(name, help=f"{text} ({variable})", default=environ.get(variable) or default)

    add("--data", "folder of the database")
    add("--http", "HOST:PORT of OTLP/HTTP and the query API; port 0 is any free one", "127.0.0.1:4318")
    add("--grpc", f"HOST:PORT of OTLP/gRPC, by default {GRPC}; port 0 is any free one, off is none")
    add("--tls-cert", "PEM file of the certificate that both ports show")
    add("--tls-key", "PEM file of its key")
    add("--tls-client-ca", "PEM file of the authority whose certificates clients must show")
    add("--body-timeout", "seconds in which a request has to come", "30")
    add("--connections", "HTTP connections at a time, at most", "2000")
    add("--config", "TOML file of the exporters, by default collector.toml in the data folder")
    add("--journal-size", "megabytes that may wait for an exporter that is behind", "1024")
    add("--journal-age", "hours that they may wait", "24")
    add(
        "--retention-days",
        "days that data is kept: 30, or 30,SERVICE=7,project:NAME=90 where some differ; off is for ever",
    )
    add("--retention-content-days", "days that prompts, answers and other texts are kept; the numbers stay")
    add("--retention-size", "size of the database, such as 20GB, beyond which the oldest goes: content first")
    add("--retention-every", "seconds between two looks at what is too old, by default 600")
    parser.add_argument(
        "--cors-origin", action="append", metavar="ORIGIN",
        help="whose pages may send spans and feedback; may be repeated (OTELLLM_CORS_ORIGINS, by commas)",
    )  # fmt: skip
    return parser


def _address(option: str, text: str, example: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise BadSetting(f"{option} {text!r} is not HOST:PORT; try {example}")
    return Address(host.strip("[]"), int(port))


def _tls(cert: str | None, key: str | None, client_ca: str | None) -> Tls | None:
    if not (cert or key or client_ca):
        return None
    if not (cert and key):
        raise BadSetting("--tls-cert and --tls-key go together; give both, or none for plain HTTP")
    tls = Tls(Path(cert), Path(key), Path(client_ca) if client_ca else None)
    for option, path in zip(("--tls-cert", "--tls-key", "--tls-client-ca"), tls, strict=True):
        try:
            is_pem = path is None or b"-----BEGIN " in path.read_bytes()
        except OSError as error:
            raise BadSetting(f"{option} {str(path)!r} can't be read ({error.strerror}); name a PEM file") from error
        if not is_pem:
            raise BadSetting(f"{option} {str(path)!r} is no PEM file; it has to hold '-----BEGIN …'")
    return tls


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise BadSetting(f"--cors-origin {text!r} is no origin; try https://app.example, without a path or *")
    return text.lower()


def _config(given: str | None, data: Path) -> Path | None:
    if given is None:
        beside = data / "collector.toml"
        return beside if beside.is_file() else None
    path = Path(given).expanduser()
    if not path.is_file():
        raise BadSetting(f"--config {given!r} is no file; name a TOML file (docs/exporters.md shows one)")
    return path


def _number(option: str, text: str, unit: str, example: int, limit: float = 86_400) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < limit:
        raise BadSetting(f"{option} {text!r} is no number of {unit} above 0; try {example}")
    return number
