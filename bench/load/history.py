"""A month of an app's traces, made in minutes: some are written by the store itself, the rest are copies of these.

Made by SQL inside DuckDB: other ids, times, users, models and services, and other words in every message. What the
store would have written for them is written (rows a transaction, summaries of traces, numbers of messages).
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from overhead.environments import ROOT

from load.corpus import SPANS, START_NS, make_body

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["END_NS", "MODELS", "MONTH_NS", "make_history"]

MONTH_NS = 30 * 86_400_000_000_000
END_NS = START_NS
BASE_BODIES = 128
USERS = 20_000
MODELS = (
    "gpt-5.2", "gpt-5.2-mini", "gpt-5.2-nano", "o5", "claude-sonnet-5", "claude-opus-5", "claude-haiku-5",
    "gemini-3-flash", "gemini-3-pro", "mistral-large-3", "command-a-2", "deepseek-v4",
)  # fmt: skip
SERVICES = ("support-api", "search", "billing-agent", "crawler", "mailer", "triage", "web", "batch")

SHIFTED = "list_transform({0}, lambda m: if(m <= 3, m, m + {1}))"
# The tools, the system's instructions and the like come first, and are everybody's.
COPIES = {
    "messages": """
        insert into raw.messages by name
        select
            m.* replace (
                m.message_id + {shift} as message_id,
                {begin} + m.message_id * ({length} // {newest}) as first_seen_ns,
                -- The words with a digit become others: 300 kinds of them, the first ones the most usual.
                replace(replace(replace(m.body,
                    '1', to_base(1 + least_often(hash(m.message_id + {shift}), 300, 3), 36)),
                    '2', to_base(36 + least_often(hash(m.message_id - {shift}), 300, 3), 36)),
                    '"content":"', '"content":"ticket ' || (m.message_id + {shift}) || ' ') as body
            )
        from base.raw.messages as m
        where m.message_id > 3
        order by m.message_id""",
    "spans": """
        insert into raw.spans by name
        select
            s.* replace (
                md5(s.trace_id::varchar || '{copy}')::uuid as trace_id,
                hash(s.span_id, {copy}) as span_id,
                if(s.parent_span_id is null, null, hash(s.parent_span_id, {copy})) as parent_span_id,
                s.start_ns - t.start_ns + t.new_ns as start_ns,
                s.end_ns - t.start_ns + t.new_ns as end_ns,
                s.end_ns - t.start_ns + t.new_ns + 1000000000 as received_ns,
                t.service as service_name,
                if(s.operation = 'chat', 'chat ' || t.model, s.name) as name,
                if(s.operation = 'chat', t.model, s.request_model) as request_model,
                if(s.operation = 'chat', t.model || '-2026-10-01', s.response_model) as response_model,
                t.user_id as user_id,
                s.session_id || '-' || {copy} as session_id,
                {inputs} as input_messages,
                {outputs} as output_messages
            )
        from base.raw.spans as s
        join new_traces as t on t.trace_id = s.trace_id
        order by start_ns""",
    "traces": """
        insert into raw.traces by name
        select
            o.* replace (
                md5(o.trace_id::varchar || '{copy}')::uuid as trace_id,
                t.new_ns as start_ns,
                o.end_ns - o.start_ns + t.new_ns as end_ns,
                hash(o.root_span_id, {copy}) as root_span_id,
                o.root_start_ns - o.start_ns + t.new_ns as root_start_ns,
                o.ttft_start_ns - o.start_ns + t.new_ns as ttft_start_ns,
                t.service as service_name,
                [t.model] as models,
                [t.user_id] as users,
                list_transform(o.sessions, lambda x: x || '-' || {copy}) as sessions
            )
        from base.raw.traces as o
        join new_traces as t on t.trace_id = o.trace_id
        order by t.new_ns""",
}
NEW_TRACES = """
    create or replace temp table new_traces as
    select
        trace_id, start_ns,
        {begin} + ((row_number() over (order by start_ns) - 1) * {length}) // count(*) over () as new_ns,
        {services}[1 + (hash(trace_id, {copy}) % {services_number})::integer] as service,
        {models}[1 + least_often(hash({copy}, trace_id), {models_number}, 2)] as model,
        format('user-{{:05d}}', least_often(hash(trace_id, -{copy}), {users}, 2)) as user_id
    from base.raw.traces"""

LEAST_OFTEN = """
    create temp macro least_often(h, kinds, skew) as floor(kinds * pow(h / 1.8446744073709556e19, skew))::bigint"""
"""One of so many kinds, the last ones the rarest; the divisor is a little more than 2^64."""


def make_history(folder: Path, spans: int) -> int:
    """A database in this folder with at least so many spans of the month before `END_NS`; how many there are."""
    sys.path[:0] = [str(ROOT), str(ROOT / "collector")]
    from otelllm_collector.decode import decode
    from otelllm_collector.stores.duckdb import open_store
    from otelllm_collector.stores.duckdb.database import copies, open_database

    began = time.monotonic()
    base = folder.parent / "base"
    store, ids = open_store(base), itertools.count(1)
    for first in range(0, BASE_BODIES, 32):
        bodies = [make_body(number, "native", ids) for number in range(first, first + 32)]
        store.write([decode("traces", body, is_json=False, now_ns=END_NS) for body in bodies])
    store.close()
    number = -(-spans // (BASE_BODIES * SPANS))
    copies(folder).mkdir(parents=True)
    path = (base / "otelllm.duckdb").rename(copies(folder) / "base.duckdb")
    connection = open_database(folder, "2GB")
    connection.execute(f"attach '{path}' as base (read_only)")
    connection.execute(LEAST_OFTEN)
    for table in ("resources", "scopes"):
        connection.execute(f"insert into raw.{table} select * from base.raw.{table}")
    connection.execute("insert into raw.messages select * from base.raw.messages where message_id <= 3 order by all")
    for copy in range(number):
        _copy(connection, copy, number)
        if copy % 10 == 0:
            print(f"  {(copy + 1) * BASE_BODIES * SPANS:,} spans after {time.monotonic() - began:.0f} s", flush=True)
    connection.execute("checkpoint otelllm")
    connection.close()
    path.unlink()
    return number * BASE_BODIES * SPANS


def _copy(connection: DuckDBPyConnection, copy: int, copies: int) -> None:
    [(newest,)] = connection.execute("select max(message_id) from base.raw.messages").fetchall()
    shift = copy * newest
    values = {
        "copy": copy,
        "shift": shift,
        "newest": newest,
        "length": MONTH_NS // copies,
        "begin": END_NS - MONTH_NS + copy * (MONTH_NS // copies),
        "users": USERS,
        "models": list(MODELS),
        "models_number": len(MODELS),
        "services": list(SERVICES),
        "services_number": len(SERVICES),
        "inputs": SHIFTED.format("s.input_messages", shift),
        "outputs": SHIFTED.format("s.output_messages", shift),
    }
    connection.execute("begin")
    connection.execute(NEW_TRACES.format(**values))
    for text in COPIES.values():
        connection.execute(text.format(**values))
    connection.execute("commit")
