"""Programs of their own, as users write them: for what happens once a process, and at its end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from wire.files import body, events
from wire.server import STALL, Provider, Reply, Request, sse, whole

__all__ = ["INSTRUMENTED", "TIMEOUT_S", "answer_chats", "environment", "run", "write"]

TIMEOUT_S = 40
_PRELUDE = """
    import os, sys, time
    import otelllm, openai
    client = openai.OpenAI(api_key="k", base_url=os.environ["PROVIDER"], max_retries=0)
    def ask(question):
        return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": question}])
"""
INSTRUMENTED = """
    otelllm.instrument(endpoint=os.environ["ENDPOINT"], service_name="program")
"""


def answer_chats(provider: Provider) -> Provider:
    """Let `provider` answer every chat: a whole one with the same answer, a stream with its beginning, then silence."""
    answer, stream = body("openai/chat.json"), events("openai/chat_stream.sse")

    def reply(request: Request) -> Reply:
        return sse(stream[:3], STALL) if request.json.get("stream") else whole(answer)

    provider.always = reply
    return provider


def environment(provider: Provider, endpoint: str = "", **more: str) -> dict[str, str]:
    """What a program finds in its environment: where the provider and the OTLP backend are, and no metrics."""
    return {**os.environ, "ENDPOINT": endpoint, "PROVIDER": provider.url, "OTEL_METRICS_EXPORTER": "none", **more}


def write(file: Path, *code: str) -> Path:
    """A program file that has `client` and `ask`, then `code`."""
    file.write_text("".join(textwrap.dedent(piece) for piece in (_PRELUDE, *code)))
    return file


def run(file: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a warning is an error in it."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        env=dict(variables), capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
