"""OpenTelemetry's GenAI conventions and our own names: which attribute has which column."""

from __future__ import annotations

from otelllm import semconv

__all__ = ["COLUMNS", "CONTENT", "TEXT_CONTENT"]

COLUMNS: dict[str, tuple[str, type]] = {
    semconv.ERROR_TYPE: ("error_type", str),
    semconv.OPERATION: ("operation", str),
    semconv.PROVIDER: ("provider", str),
    semconv.REQUEST_MODEL: ("request_model", str),
    semconv.RESPONSE_MODEL: ("response_model", str),
    semconv.RESPONSE_ID: ("response_id", str),
    semconv.USAGE_INPUT: ("input_tokens", int),
    semconv.USAGE_OUTPUT: ("output_tokens", int),
    semconv.USAGE_CACHE_READ: ("cache_read_tokens", int),
    semconv.USAGE_CACHE_WRITE: ("cache_write_tokens", int),
    semconv.USAGE_REASONING: ("reasoning_tokens", int),
    semconv.COST: ("cost_usd", float),
    semconv.COST_STATUS: ("cost_status", str),
    semconv.TTFT: ("ttft_s", float),
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: ("first_chunk_s", float),
    semconv.USER_ID: ("user_id", str),
    semconv.SESSION_ID: ("session_id", str),
    semconv.CONVERSATION_ID: ("conversation_id", str),
    semconv.FEATURE: ("feature", str),
    semconv.PRIORITY: ("priority", str),
    semconv.PROMPT_NAME: ("prompt_name", str),
    semconv.PROMPT_VERSION: ("prompt_version", str),
    semconv.AGENT_NAME: ("agent_name", str),
    semconv.TOOL_NAME: ("tool_name", str),
    semconv.WORKFLOW_NAME: ("workflow_name", str),
    semconv.CACHE_OUTCOME: ("cache_outcome", str),
    semconv.VERDICT: ("verdict", str),
    semconv.RESPONSE_FINISH_REASONS: ("finish_reasons", list),
    semconv.STREAM_END: ("stream_end", str),
    semconv.RETRIEVAL_COUNT: ("retrieval_count", int),
    semconv.RERANK_IN: ("rerank_in", int),
    semconv.RERANK_OUT: ("rerank_out", int),
}
"""Attribute -> column and its type. A value of just this type moves into the column and is given back from there; one
that can be read as this type fills the column and stays among the attributes as it came."""

CONTENT: dict[str, str] = {
    semconv.INPUT_MESSAGES: "input_hashes",
    semconv.OUTPUT_MESSAGES: "output_hashes",
    semconv.SYSTEM_INSTRUCTIONS: "system_hash",
    semconv.TOOL_DEFINITIONS: "tools_hash",
}
"""Content that is sent again each turn: kept once, by hash."""

TEXT_CONTENT: dict[str, str] = {
    semconv.TOOL_CALL_ARGUMENTS: "tool_arguments",
    semconv.TOOL_CALL_RESULT: "tool_result",
    semconv.RETRIEVAL_QUERY: "retrieval_query",
    semconv.RETRIEVAL_DOCUMENTS: "retrieval_documents",
}
"""Content that comes once."""
