"""The collector of otelllm: OTLP in, DuckDB, a query API out."""

from __future__ import annotations

from .native import compiled_first

__path__ = compiled_first(__path__, "")
