"""What agents that send their whole conversation again each turn cost on disk: bytes a model call, by table.

    python bench/agents.py [--agents 100] [--rounds 1 4] [--turns 30 50] [--raw 24000]

The agents take their turns one after the other, so that spans of one conversation lie far apart, and send what comes to
`--raw` bytes a call on average. `--rounds`: so many generations of agents, one after the other; a small file is partly
what its tables need to be there at all. Text is drawn at random from words of a Zipf-like frequency: zstd makes 2.8
times less of it, and of real prose 3 to 4 times.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from load.corpus import put
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelllm_collector.decode import decode
from otelllm_collector.stores.duckdb import open_store

WORDS = [f"{one}{two}" for one in ("or", "ship", "re", "un", "pay", "car", "ti", "fo") for two in range(750)]
WEIGHTS = [1 / (rank + 3) for rank in range(len(WORDS))]
TABLES = ("messages", "spans", "traces")
BLOCKS = """
    select count(distinct block) * any_value(block_size) from (
        select unnest(list_append(additional_block_ids, block_id)) as block
        from pragma_storage_info('raw.{table}') where block_id >= 0
    ), pragma_database_size()
"""


def message(role: str, size: int) -> dict[str, Any]:
    """One of about so many bytes."""
    words = random.choices(WORDS, WEIGHTS, k=size // 6)
    return {"role": role, "parts": [{"type": "text", "content": " ".join(words)}]}


def requests(agents: int, turns: int, raw: int) -> Iterator[bytes]:
    """One request a turn of all agents."""
    new = raw * 2 // (turns + 1)  # the history is half of the whole at the middle turn
    histories: list[list[dict[str, Any]]] = [[] for _ in range(agents)]
    traces = [random.randbytes(16) for _ in range(agents)]
    for turn in range(turns):
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for agent, history in enumerate(histories):
            history.append(message("user", new * 2 // 5))
            answer = message("assistant", new * 3 // 5)
            begin = time.time_ns()
            span = spans.add(
                trace_id=traces[agent], span_id=random.randbytes(8), name="chat gpt-5.2", kind=3,
                start_time_unix_nano=begin, end_time_unix_nano=begin + 10**9,
            )  # fmt: skip
            put(span, {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5.2",
                "gen_ai.response.id": f"resp_{random.getrandbits(96):024x}", "user.id": f"user-{agent}",
                "gen_ai.usage.input_tokens": 400 * (turn + 1), "gen_ai.usage.output_tokens": 250,
                "gen_ai.input.messages": json.dumps(history, separators=(",", ":")),
                "gen_ai.output.messages": json.dumps([answer], separators=(",", ":")),
            })  # fmt: skip
            history.append(answer)
        yield request.SerializeToString()


def measured(agents: int, turns: int, rounds: int, raw: int) -> list[int]:
    """Bytes a call: sent, of distinct messages, of the file, and of its largest tables."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        sent = 0
        for _ in range(rounds):
            for body in requests(agents, turns, raw):
                sent += len(body)
                store.write([decode("traces", body, is_json=False, now_ns=time.time_ns())])
        store.close()
        path = Path(folder) / "otelllm.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            [(text,)] = connection.execute("select sum(strlen(body)) from raw.messages").fetchall()
            tables = [connection.execute(BLOCKS.format(table=table)).fetchall()[0][0] for table in TABLES]
        sizes = [sent, text, path.stat().st_size, *tables]
    return [round(size / (agents * turns * rounds)) for size in sizes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--rounds", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--turns", type=int, nargs="+", default=[30, 50])
    parser.add_argument("--raw", type=int, default=24_000)
    options = parser.parse_args()
    print("| turns | calls | sent | distinct text | on disk | " + " | ".join(TABLES) + " |")
    print("|---" * (5 + len(TABLES)) + "|")
    for turns in options.turns:
        for rounds in options.rounds:
            cells = measured(options.agents, turns, rounds, options.raw)
            calls = options.agents * turns * rounds
            print(f"| {turns} | {calls:,} | " + " | ".join(f"{cell:,}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
