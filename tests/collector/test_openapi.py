"""The OpenAPI document: every route, as it really is. schemathesis plays all of it against a running collector."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import request, trace_of_agent
from starlette.responses import Response
from starlette.routing import Route

from otelllm.folders import local_token
from otelllm_collector.api import about
from otelllm_collector.api.openapi import REFUSALS
from otelllm_collector.api.openapi import document as build_document
from otelllm_collector.api.schemas import SCHEMAS
from otelllm_collector.operations import FILTERS
from otelllm_collector.questions import SpanFilter

if TYPE_CHECKING:
    from collector.process import Collector, Start

TESTS = Path(__file__).parents[1]

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method",
)  # fmt: skip


@pytest.fixture
def document(collector: Collector) -> Any:
    return collector.get("/api/openapi.json")


def test_every_route_is_in_it(document: Any) -> None:
    """It is made from the application's own routes, and one that declares nothing leaves no document at all."""
    assert document["openapi"].startswith("3.1")
    served = {(path, method) for path, item in document["paths"].items() for method in item}
    assert served >= {
        ("/healthz", "get"), ("/v1/traces", "post"), ("/v1/metrics", "post"), ("/v1/logs", "post"),
        ("/v1/feedback", "post"), ("/v1/policy", "get"), ("/v1/policy", "put"), ("/v1/policy/history", "get"),
        ("/v1/policy/words", "get"), ("/v1/kill", "get"), ("/v1/kill", "post"), ("/v1/kill", "delete"),
        ("/api/traces", "get"), ("/api/traces/{trace_id}", "get"), ("/api/traces/{trace_id}/spans/{span_id}", "get"),
        ("/api/spans", "get"), ("/api/tail", "get"), ("/api/aggregates", "get"), ("/api/facets", "get"),
        ("/api/decisions", "get"),
        ("/api/metrics", "get"), ("/api/logs", "get"), ("/api/sql", "post"), ("/api/openapi.json", "get"),
    }  # fmt: skip
    with pytest.raises(AssertionError, match="/forgotten"):
        build_document([*about.routes(), Route("/forgotten", lambda _: Response())])


def test_filters_are_those_of_the_store(document: Any) -> None:
    """A filter that is declared and not read, or read and not declared, would be refused or without effect."""
    names = {argument.name for argument in FILTERS}
    # The project comes from the key, its resources and the times of what is looked for from the store.
    assert names == {field.name for field in fields(SpanFilter)} - {"project", "resources", "within"}
    listed = {one["name"] for one in document["paths"]["/api/spans"]["get"]["parameters"]}
    assert listed == names | {"limit", "cursor"}


def test_what_is_declared_is_what_is_checked(collector: Collector, document: Any) -> None:
    """Of every route: arguments that it declares are known to it, their bounds are its bounds, others are refused."""
    checked = 0
    for path, item in document["paths"].items():
        if "400" not in item.get("get", {"responses": {}})["responses"]:
            continue  # a probe's or a scraper's address: its query string is not looked at
        address = path.format(trace_id="1" * 32, span_id="2" * 16, number=1)
        needed = {one["name"]: one["schema"]["enum"][0] for one in item["get"].get("parameters", [])
                  if one["required"] and one["in"] == "query"}  # fmt: skip
        refused = collector.client.get(address, params={"no_such_argument": "1"})
        assert (refused.status_code, "no_such_argument" in refused.text) == (400, True), path
        for argument in item["get"].get("parameters", []):
            shape = argument["schema"]
            if argument["in"] == "query" and "maximum" in shape:
                for value in (shape["minimum"] - 1, shape["maximum"] + 1):
                    refused = collector.client.get(address, params=needed | {argument["name"]: value})
                    assert (refused.status_code, argument["name"] in refused.text) == (400, True), (path, argument)
                    checked += 1
            if argument["in"] == "query" and shape["type"] != "array":
                twice = [(argument["name"], "1"), (argument["name"], "1")]
                refused = collector.client.get(address, params=twice)
                assert (refused.status_code, f"{argument['name']} is given 2 times" in refused.text) == (400, True)
            if argument["in"] == "query" and "enum" in shape:
                refused = collector.client.get(address, params=needed | {argument["name"]: "none of these"})
                assert (refused.status_code, shape["enum"][0] in refused.text) == (400, True)
                checked += 1
    assert checked > 20


def test_shapes_are_those_of_the_answers(collector: Collector, document: Any) -> None:
    """Named both here and there, no more and no less: of a closed shape the document would refuse what is new."""
    spans = trace_of_agent(time.time_ns(), **{"gen_ai.request.model": "shapes"})
    collector.send(request(*spans))
    trace = spans[0].trace_id.hex()
    given = {
        "Span": collector.get("/api/spans")["spans"][0],
        "WholeSpan": collector.get(f"/api/traces/{trace}/spans/{spans[2].span_id.hex()}"),
        "Trace": collector.get("/api/traces")["traces"][0],
        "Sums": collector.get("/api/aggregates")["rows"][0],
        "Value": collector.get("/api/facets", field="model")["values"][0],
    }
    for name, record in given.items():
        assert set(SCHEMAS[name]["properties"]) == set(record), name
    assert document["components"]["schemas"] == SCHEMAS


def test_refusals_are_explained(document: Any) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["description"] == REFUSALS[int(status)], (path, status)
                    assert response["content"]["application/json"] == {"schema": {"$ref": "#/components/schemas/Error"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phases", "checks", "least"),
    [
        ("examples,coverage", (*CHECKS, "negative_data_rejection"), 500),
        pytest.param("fuzzing", CHECKS, 500, marks=pytest.mark.thorough),
    ],
)
def test_schemathesis_finds_nothing(
    start: Start, tmp_path: Path, phases: str, checks: tuple[str, ...], least: int
) -> None:
    """No 500, no status, header, type or shape that is not documented.

    In its fixed cases nothing is taken either that the document forbids; in its random ones it takes an empty text,
    which counts as not given, for a number that is none. /api/tail never ends where it answers 200: see test_tail.py.
    """
    running = start(tmp_path)
    for number in range(5):
        running.send(request(*trace_of_agent(time.time_ns(), **{"user.id": f"u-{number}"})))
    token = f"Bearer {local_token(tmp_path)}"
    pushed = running.client.put(
        "/v1/policy", content=b"", headers={"content-type": "application/toml", "authorization": token}
    )
    assert pushed.status_code == 200
    played = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{running.url}/api/openapi.json",
         "--header", f"Authorization: {token}", "--exclude-path", "/api/tail", "--checks", ",".join(checks),
         "--phases", phases, "--max-examples", "25", "--max-time", "50", "--seed", "7", "--request-timeout", "30",
         "--continue-on-failure", "--no-color", "--generation-database", "none"],
        capture_output=True, text=True, check=False, timeout=200, cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "collector.schemathesis_hooks", "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert played.returncode == 0, played.stdout[-8000:] + played.stderr[-2000:]
    assert running.is_up()
    generated = re.search(r"(\d+) generated, (\d+) passed", played.stdout)
    assert generated is not None, played.stdout[-3000:]
    assert int(generated[1]) > least
    running.stop()
    assert "Traceback" not in running.errors
