"""What the fixtures of the ai package ask and are answered, in the conventions' form."""

from __future__ import annotations

__all__ = ["CALL", "GPT", "IMAGE", "PARAMETERS", "RESULT", "TOOLS"]

IMAGE = {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "iVBORw0KGgo="}
PARAMETERS = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "name": "get_weather", "description": "w", "parameters": PARAMETERS}]
CALL = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
RESULT = {"type": "tool_call_response", "id": "call_1", "response": {"w": "sunny"}}
GPT = "gpt-4o-2024-08-06"
