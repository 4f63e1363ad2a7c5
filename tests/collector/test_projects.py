"""A key of a project reads what came with its project's keys, by every route that there is, and nothing else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from collector.exports import PROTOBUF, ids, put, request, span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from collector import process
from otelllm_collector.auth import is_of_project
from otelllm_collector.keys import add_key
from otelllm_collector.stores.spec import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Collector

pytestmark = pytest.mark.slow  # starts a collector of its own

NOW = time.time_ns() - 10**9
TOKENS = {"alpha": 111_000_111, "beta": 555_000_777}
OTHER = {"alpha": "beta", "beta": "alpha"}
FIELDS = ("service", "provider", "model", "operation", "user", "session", "feature", "name")
GROUPS = ("model", "provider", "user", "session", "feature", "service", "operation", "error_type", "none")


class World(NamedTuple):
    """A collector with two projects in it."""

    collector: Collector
    keys: dict[str, str]
    traces: dict[str, bytes]
    """Each project's own, and one that they share."""
    spans: dict[str, list[bytes]]
    """Each project's span of its own trace, and its span of the shared one."""

    def ask(self, project: str, path: str, **arguments: Any) -> httpx.Response:
        """What a reader of the project is answered."""
        headers = {"x-api-key": self.keys[f"read {project}"]}
        return self.collector.client.get(path, params=arguments, headers=headers)


def messages(word: str, role: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": f"{word} says this in secret"}]}])


def call_of(project: str, **fields: Any) -> Any:
    """A call that has the project's name wherever a span can say something."""
    one = span(
        {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": f"{project}-provider",
            "gen_ai.request.model": f"{project}-model", "gen_ai.usage.input_tokens": TOKENS[project],
            "gen_ai.input.messages": messages(project, "user"),
            "gen_ai.output.messages": messages(project, "assistant"),
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": f"{project} system"}]),
            "gen_ai.tool.call.arguments": json.dumps({"q": project}), "user.id": f"{project}-user",
            "session.id": f"{project}-session", "otelllm.feature": f"{project}-feature",
            "error.type": f"{project}-error", "odd": f"{project}-odd", "gen_ai.response.id": f"{project}-response",
        },
        name=f"{project}-span", start_time_unix_nano=NOW, **fields,
    )  # fmt: skip
    put(one.events.add(name=f"{project}-event", time_unix_nano=NOW), {"said": project})
    decided = {"stage": "limits", "rule": f"{project}-rule", "mode": "shadow", "outcome": "queue", "waited": 0.5}
    put(one.events.add(name="otelllm.decision", time_unix_nano=NOW), decided)
    return one


def logs_of(project: str, trace_id: bytes, span_id: bytes) -> ExportLogsServiceRequest:
    """A record, content beside the span, and an evaluation of it."""
    message = ExportLogsServiceRequest()
    of_resource = message.resource_logs.add()
    put(of_resource.resource, {"service.name": f"{project}-service"})
    records = of_resource.scope_logs.add(scope={"name": f"{project}-scope"}).log_records
    for name, attributes in [
        (f"{project}-record", {"odd": f"{project}-odd"}),
        ("gen_ai.client.inference.operation.details", {"gen_ai.input.messages": messages(f"{project}-beside", "user")}),
        ("gen_ai.evaluation.result", {
            "gen_ai.evaluation.name": f"{project}-score", "gen_ai.evaluation.score.value": 0.5,
            "gen_ai.evaluation.explanation": f"{project} thinks so",
        }),
    ]:  # fmt: skip
        time_ns = NOW + len(records) + 1000 * list(TOKENS).index(project)
        one = records.add(event_name=name, time_unix_nano=time_ns, trace_id=trace_id, span_id=span_id)
        one.body.string_value = f"{project}-body"
        put(one, attributes)
    return message


def metrics_of(project: str) -> ExportMetricsServiceRequest:
    message = ExportMetricsServiceRequest()
    of_resource = message.resource_metrics.add()
    put(of_resource.resource, {"service.name": f"{project}-service"})
    for name in ("requests", f"{project}-metric"):
        point = of_resource.scope_metrics.add().metrics.add(name=name).gauge.data_points.add(time_unix_nano=NOW)
        point.as_int = TOKENS[project]
        put(point, {"odd": f"{project}-odd"})
    return message


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data: Path = tmp_path_factory.mktemp("data")
    keys = {
        f"{scope} {project}": add_key(data, f"{scope} {project}", scope, project)
        for project in TOKENS
        for scope in ("ingest", "read")
    }
    keys["read all"] = add_key(data, "all", "read", None)
    running = process.start(data)
    traces = {name: ids()[0] for name in ("alpha", "beta", "shared")}
    spans = {project: [ids()[1], ids()[1]] for project in TOKENS}
    for project, own in spans.items():
        above = {"parent_span_id": spans["alpha"][1]} if project == "beta" else {}
        calls = [
            call_of(project, trace_id=traces[project], span_id=own[0]),
            call_of(project, trace_id=traces["shared"], span_id=own[1], **above),
        ]
        if project == "beta":
            calls[1].status.code, calls[1].status.message = 2, "beta broke"
        # Whoever sends says what they like: beta's records name alpha's span, too.
        records = [logs_of(project, traces[project], own[0]), logs_of(project, traces["alpha"], spans["alpha"][0])]
        for path, message in [
            ("/v1/traces", request(*calls, service=f"{project}-service")),
            *(("/v1/logs", one) for one in records),
            ("/v1/metrics", metrics_of(project)),
        ]:
            headers = PROTOBUF | {"x-api-key": keys[f"ingest {project}"]}
            sent = running.client.post(path, content=message.SerializeToString(), headers=headers)
            assert sent.status_code == 200, sent.text
        for trace_id, span_id in ((traces[project], own[0]), (traces["alpha"], spans["alpha"][0])):
            vote = {"trace_id": trace_id.hex(), "span_id": span_id.hex(), "score": 1, "comment": f"{project} likes it"}
            headers = {"x-api-key": keys[f"ingest {project}"]}
            assert running.client.post("/v1/feedback", json=vote, headers=headers).status_code == 200
    yield World(running, keys, traces, spans)
    assert running.stop() == 0


def asked_of(world: World, path: str) -> list[tuple[str, dict[str, Any]]]:
    """The questions that one route is asked: all that there is to see by it."""
    traces = [trace_id.hex() for trace_id in world.traces.values()]
    of_both = [span_id.hex() for own in world.spans.values() for span_id in own]
    filters = [{}, {"q": "secret"}, {"name": "beta-span"}, {"error": "true"}, {"error": "false"}, {"min_ms": "1"},
               {"max_ms": "1"}, {"service": "beta-service"}]  # fmt: skip
    signals = ("traces", "logs", "metrics")
    arguments: dict[str, list[dict[str, Any]]] = {
        "/api/facets": [{"field": field} for field in FIELDS],
        "/api/aggregates": [{"by": by, "bucket": bucket} for by in GROUPS for bucket in ("none", "day")],
        "/api/metrics": [{}, *({"name": name} for name in ("requests", "alpha-metric", "beta-metric"))],
        "/api/export": [
            *({"format": kind, "signal": signal} for kind in ("otlp", "jsonl") for signal in signals),
            *({"format": "arrow", "table": table} for table in TABLES),
        ],
        "/api/traces": filters,
        "/api/spans": filters,
        "/api/logs": [{}, {"q": "body"}, {"trace_id": traces}],
    }
    if "{span_id}" in path:
        return [(path.format(trace_id=one, span_id=other), {}) for one in traces for other in of_both]
    if "{trace_id}" in path:
        return [(path.format(trace_id=one), {}) for one in traces]
    return [(path, one) for one in arguments.get(path, [{}])]


def gets(collector: Collector) -> list[str]:
    """Every route that can be asked, from what the collector says of itself."""
    document = collector.client.get("/api/openapi.json", headers={"x-api-key": token(collector)}).json()
    return [path for path, methods in document["paths"].items() if "get" in methods]


def token(collector: Collector) -> str:
    return (collector.data / "operate.token").read_text().strip()


NEITHERS = {"/healthz", "/api/openapi.json", "/v1/policy"}
"""They say nothing of any project."""


@pytest.mark.parametrize("project", TOKENS)
def test_no_route_gives_out_anything_of_another_project(world: World, project: str) -> None:
    paths = gets(world.collector)
    assert len(paths) > 14
    words = (OTHER[project].encode(), str(TOKENS[OTHER[project]]).encode())
    for path in paths:
        if path == "/api/tail":
            continue  # without end: below
        has_own = False
        for url, arguments in asked_of(world, path):
            answer = world.ask(project, url, **arguments)
            if not is_of_project("GET", path) and path != "/healthz":
                assert answer.status_code == 403, (url, answer.text)
                assert "tells of all projects" in answer.text
                continue
            assert answer.status_code in (200, 404), (url, answer.text)
            # What was asked for is told back to whoever asked.
            told = answer.content if answer.status_code == 200 else b""
            assert not any(word in told for word in words), (url, arguments, answer.text[:2000])
            has_own |= project.encode() in told
        assert has_own or path in NEITHERS or not is_of_project("GET", path), path


@pytest.mark.parametrize("project", TOKENS)
def test_every_table_and_signal_has_what_is_its_own(world: World, project: str) -> None:
    for path, arguments in asked_of(world, "/api/export"):
        told = world.ask(project, path, **arguments).content
        if arguments.get("table") != "contents":  # which holds ids alone
            assert project.encode() in told, arguments


@pytest.mark.parametrize("project", TOKENS)
def test_the_live_tail_shows_its_own_spans(world: World, project: str) -> None:
    headers = {"x-api-key": world.keys[f"read {project}"], "last-event-id": "0-0"}
    told = ""
    with world.collector.client.stream("GET", "/api/tail", params={"heartbeat": 1}, headers=headers) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_text():
            told += piece
            if told.count(": nothing new") > 1:  # all that is held has been looked at
                break
    assert told.count("event: span") == 2
    assert f"{project}-span" in told
    assert OTHER[project] not in told


def test_a_trace_that_projects_share_is_summed_up_for_each_from_its_own_spans(world: World) -> None:
    trace_id = world.traces["shared"].hex()
    whole = world.collector.client.get(f"/api/traces/{trace_id}", headers={"x-api-key": world.keys["read all"]}).json()
    assert (whole["trace"]["spans"], whole["trace"]["status"]) == (2, "error")
    for project, status in (("alpha", "ok"), ("beta", "error")):
        found = world.ask(project, f"/api/traces/{trace_id}").json()
        [listed] = [one for one in world.ask(project, "/api/traces").json()["traces"] if one["trace_id"] == trace_id]
        assert found["trace"] == listed
        assert [one["name"] for one in found["spans"]] == [f"{project}-span"]
        told = {
            name: listed[name] for name in ("name", "service", "spans", "calls", "input_tokens", "status", "models")
        }
        assert told == {
            "name": f"{project}-span", "service": f"{project}-service", "spans": 1, "calls": 1,
            "input_tokens": TOKENS[project], "status": status, "models": [f"{project}-model"],
        }  # fmt: skip
    failed = [world.ask(project, "/api/traces", error="true").json()["traces"] for project in TOKENS]
    assert [[one["trace_id"] for one in traces] for traces in failed] == [[], [trace_id]]


def test_scores_and_content_beside_a_span_are_its_own_projects(world: World) -> None:
    place = f"/api/traces/{world.traces['alpha'].hex()}/spans/{world.spans['alpha'][0].hex()}"
    whole = world.collector.client.get(place, headers={"x-api-key": world.keys["read all"]}).json()
    assert {one["explanation"] for one in whole["scores"]} == {
        "alpha thinks so", "beta thinks so", "alpha likes it", "beta likes it",
    }  # fmt: skip
    own = world.ask("alpha", place).json()
    assert {one["explanation"] for one in own["scores"]} == {"alpha thinks so", "alpha likes it"}


def test_sql_and_what_tells_of_all_is_not_for_a_key_of_one_project(world: World) -> None:
    client = world.collector.client
    for path, method in (("/api/sql", "POST"), ("/api/maintenance/backup", "POST"), ("/metrics", "GET")):
        answer = client.request(method, path, json={"sql": "select 1"}, headers={"x-api-key": world.keys["read alpha"]})
        assert answer.status_code == 403, path
    answer = client.post("/api/sql", json={"sql": "select 1"}, headers={"x-api-key": world.keys["read alpha"]})
    assert "is of project 'alpha'" in answer.json()["error"]
    assert "--scope read" in answer.json()["error"]
    answer = client.post(
        "/api/sql", json={"sql": "select count(*) from spans"}, headers={"x-api-key": world.keys["read all"]}
    )
    assert answer.json()["rows"] == [[4]]


def test_a_key_that_operates_has_no_project(tmp_path: Path) -> None:
    from otelllm_collector.config import BadSetting

    with pytest.raises(BadSetting, match="leave --project out"):
        add_key(tmp_path, "boss", "operate", "alpha")
