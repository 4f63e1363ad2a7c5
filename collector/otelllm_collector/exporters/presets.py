"""Backends that are known by name: where they take OTLP, what they take, and how they want to be told who sends."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PRESETS", "Preset"]

_V1 = {"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs"}
_ALL = ("traces", "metrics", "logs")


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of backend. In `endpoint` and `headers` {name} stands for a value of the settings file's table."""

    endpoint: str | None = None
    """None where only the team knows it."""
    protocol: str = "http/protobuf"
    paths: Mapping[str, str] = field(default_factory=lambda: _V1)
    headers: Mapping[str, str] = field(default_factory=dict)
    """{basic:user:password} is their Basic credentials."""
    values: Mapping[str, str | None] = field(default_factory=dict)
    """Keys of the table that this kind has, with their defaults; None must be given."""
    can: tuple[str, ...] = _ALL
    """The signals that it takes."""
    signals: tuple[str, ...] = ("traces",)
    """Those that go by default."""
    compression: str = "gzip"

    @staticmethod
    def fill(text: str, values: Mapping[str, str]) -> str:
        """A header's text with its values in."""
        if text.startswith("{basic:"):
            user, password = text[7:-1].split(":")
            return "Basic " + base64.b64encode(f"{values[user]}:{values[password]}".encode()).decode()
        return text.format_map(values)


PRESETS: Mapping[str, Preset] = {
    "otlp": Preset(endpoint="http://127.0.0.1:4318"),
    "opentelemetry-collector": Preset(endpoint="http://127.0.0.1:4317", protocol="grpc", signals=_ALL),
    "tempo": Preset(endpoint="http://127.0.0.1:4317", protocol="grpc", can=("traces",)),
    "jaeger": Preset(endpoint="http://127.0.0.1:4317", protocol="grpc", can=("traces",)),
    # Version 4 of its ingestion is the one that shows spans at once; gRPC it has none.
    "langfuse": Preset(
        endpoint="{host}/api/public/otel",
        headers={"authorization": "{basic:public_key:secret_key}", "x-langfuse-ingestion-version": "4"},
        values={"host": "https://cloud.langfuse.com", "public_key": None, "secret_key": None},
        can=("traces",),
    ),
    "langsmith": Preset(
        endpoint="https://api.smith.langchain.com/otel",
        headers={"x-api-key": "{api_key}", "langsmith-project": "{project}"},
        values={"api_key": None, "project": "default"},
        can=("traces",),
    ),
    "braintrust": Preset(
        endpoint="https://api.braintrust.dev/otel",
        headers={"authorization": "Bearer {api_key}", "x-bt-parent": "{parent}"},
        values={"api_key": None, "parent": None},
        can=("traces",),
    ),
    # One route for OTLP/JSON, without OTLP's own path.
    "helicone": Preset(
        endpoint="https://api.helicone.ai",
        protocol="http/json",
        paths={"traces": "/v1/trace/log"},
        headers={"authorization": "Bearer {api_key}"},
        values={"api_key": None},
        can=("traces",),
        compression="none",
    ),
    "datadog": Preset(
        endpoint="https://otlp.{site}",
        headers={"dd-api-key": "{api_key}", "dd-otlp-source": "datadog"},
        values={"api_key": None, "site": "datadoghq.com"},
        can=("traces",),
    ),
}
