"""Settings from arguments and environment. The only reader of `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from .errors import BadConfig
from .folders import default_state

__all__ = ["CaptureMode", "OnBadPolicy", "Settings", "read", "variable"]

CaptureMode = Literal["off", "redacted", "full"]
OnBadPolicy = Literal["exit", "block", "off"]

CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURE_WORDS: dict[str, tuple[CaptureMode, bool, bool]] = {
    # word: mode, to the span, to the event. true and false are what older instrumentations take.
    "NO_CONTENT": ("off", True, False),
    "SPAN_ONLY": ("full", True, False),
    "EVENT_ONLY": ("full", False, True),
    "SPAN_AND_EVENT": ("full", True, True),
    "TRUE": ("full", True, False),
    "FALSE": ("off", True, False),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; arguments of `instrument()` and the policy win over it (see setup)."""

    disabled: bool = False
    """OTELLLM_DISABLED: turns everything off, enforcement too."""
    sdk_disabled: bool = False
    """OTEL_SDK_DISABLED: no spans, metrics or logs; enforcement goes on."""
    capture: CaptureMode | None = None
    content_on_span: bool = True
    content_on_event: bool = False
    emit_event: bool = False
    policy_path: str | None = None
    policy_named: bool = False
    """Whether somebody named the file, so that its absence is an error."""
    on_bad_policy: OnBadPolicy = "exit"
    kill: str = ""
    key: str | None = None
    """OTELLLM_KEY: what the collector knows us by."""
    service_name: str = ""
    state_folder: Path | None = None
    """Where the counters of limits and budgets are kept, unless the policy says."""
    traces_exporter: str = "otlp"
    metrics_exporter: str = "otlp"
    logs_exporter: str = "otlp"
    protocol: str = "http/protobuf"
    endpoint_named: bool = False
    per_chunk_metric: bool = False
    """OTELLLM_METRIC_PER_CHUNK: also the conventions' time_per_output_chunk, a record a chunk."""
    completion_hook: str | None = None
    """OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK: the entry point that content is handed to."""
    prefix_key: str | None = None
    """OTELLLM_PREFIX_KEY: hashes of the conversation's prefixes are on spans, keyed by it."""
    propagate: bool = False
    """OTELLLM_PROPAGATE: W3C trace context goes into the providers' requests."""
    include_usage: bool = False
    """OTELLLM_INCLUDE_USAGE: streams are asked for their usage, where the provider gives it only then."""


def _flag(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def _capture(environ: Mapping[str, str]) -> tuple[CaptureMode | None, bool, bool]:
    word = environ.get(CAPTURE_VARIABLE, "").strip()
    if not word:
        return None, True, False
    try:
        return _CAPTURE_WORDS[word.upper()]
    except KeyError:
        raise BadConfig(f"{CAPTURE_VARIABLE} {word!r} is not one of {', '.join(list(_CAPTURE_WORDS)[:4])}") from None


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process's environment; `BadConfig` names the variable and value that can't be used."""
    env = os.environ if environ is None else environ
    mode, on_span, on_event = _capture(env)
    on_bad = env.get("OTELLLM_ON_BAD_POLICY", "exit").strip().lower()
    if on_bad not in get_args(OnBadPolicy):
        raise BadConfig(f"OTELLLM_ON_BAD_POLICY {on_bad!r} is not one of exit, block, off")
    named = env.get("OTELLLM_POLICY")
    emit_event = env.get("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT")
    return Settings(
        disabled=_flag(env, "OTELLLM_DISABLED"),
        sdk_disabled=_flag(env, "OTEL_SDK_DISABLED"),
        capture=mode,
        content_on_span=on_span,
        content_on_event=on_event,
        emit_event=on_event if emit_event is None else _flag(env, "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"),
        policy_path=named or "otelllm.toml",
        policy_named=bool(named),
        on_bad_policy=cast(OnBadPolicy, on_bad),
        kill=env.get("OTELLLM_KILL", ""),
        key=env.get("OTELLLM_KEY") or None,
        service_name=env.get("OTEL_SERVICE_NAME", "").strip(),
        state_folder=default_state(env),
        traces_exporter=env.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() or "otlp",
        metrics_exporter=env.get("OTEL_METRICS_EXPORTER", "otlp").strip().lower() or "otlp",
        logs_exporter=env.get("OTEL_LOGS_EXPORTER", "otlp").strip().lower() or "otlp",
        protocol=env.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").strip().lower() or "http/protobuf",
        endpoint_named=any(name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("ENDPOINT") for name in env),
        per_chunk_metric=_flag(env, "OTELLLM_METRIC_PER_CHUNK"),
        completion_hook=env.get("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK") or None,
        prefix_key=env.get("OTELLLM_PREFIX_KEY") or None,
        propagate=_flag(env, "OTELLLM_PROPAGATE"),
        include_usage=_flag(env, "OTELLLM_INCLUDE_USAGE"),
    )


def variable(name: str) -> str | None:
    """What a variable holds that the policy names (an API key); None where it is not set, or empty."""
    return os.environ.get(name, "").strip() or None
