"""One answer of a model, and a provider on loopback that gives it: `python -m enforced.answers` prints its address."""

from __future__ import annotations

import asyncio
import json
from typing import Any

__all__ = ["ANSWER", "MODEL", "asked"]

MODEL = "gpt-4o-mini"
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1764000000, "model": f"{MODEL}-2024-07-18",
    "choices": [{
        "index": 0, "finish_reason": "stop", "logprobs": None,
        "message": {"role": "assistant", "content": "A lighthouse. " * 40, "refusal": None, "annotations": []},
    }],
    "usage": {
        "prompt_tokens": 500, "completion_tokens": 160, "total_tokens": 660,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
    "service_tier": "default", "system_fingerprint": "fp_1",
}  # fmt: skip


def asked(number: int) -> dict[str, Any]:
    """A request of 2 kB; the same number gives the same one."""
    text = f"{number} " + "Tell me of lighthouses. " * 80
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return {"model": MODEL, "temperature": 0, "max_tokens": 400, "messages": messages}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = json.dumps(ANSWER).encode()
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n"
    reply = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    while True:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        except asyncio.IncompleteReadError:
            return
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
        await reader.readexactly(length)
        writer.write(reply)


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
