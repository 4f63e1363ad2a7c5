"""The shape of the house: a file imports only from lower floors, and stays small enough to be read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The floors of ARCHITECTURE.md. A folder stands for all its files, which may also import one another downward.
FLOORS: dict[str, dict[str, int]] = {
    "otelllm": {
        "attempt": 0, "errors": 0, "folders": 0, "forks": 0, "gates": 0, "semconv": 0, "version": 0,
        "call": 1, "recorded": 1, "config": 1, "fields": 1, "safely": 1, "steps": 1, "json_tree": 1,
        "redaction": 1,
        "price_source": 1, "price_table": 1, "supported": 1, "toml_lines": 1, "blobs": 1, "neighbours": 1,
        "background": 2, "tool_gate": 5, "lasting_threads": 2, "bodies": 2, "canned": 2, "endings": 2,
        "interruptions": 2, "estimate": 2,
        "parts": 2, "file_watcher": 3, "plugins": 2,
        "scope": 2, "lineage": 2, "managers": 2, "spec": 2, "sampling": 3, "http_clients": 2, "adoption": 2,
        "model_records": 2, "tallies": 2,
        "completion_hook": 2, "prefixes": 2,
        "enclosing": 2, "wrapping": 2, "capture": 2, "pricing": 2, "events": 2, "attributes": 2, "export": 2,
        "failures": 3, "hosts": 3, "relay": 3, "state": 3, "span_events": 3, "stages": 3, "reranking": 3,
        "stainless": 4, "whole": 3, "metrics": 3, "telemetry": 3,
        "http_answers": 3, "stainless_replay": 3, "whole_replay": 3, "speakeasy": 4,
        "aiming": 4, "connection": 5, "taps": 4, "tries": 4, "renewal": 5, "emit": 4, "interrupting": 4,
        "generators": 5, "processes": 4,
        "flow": 6, "runs": 5, "model_calls": 5, "evaluation": 5, "openai_format": 5, "enforce": 5,
        "begun": 7, "method_runs": 6, "observed": 6, "policy": 6, "providers": 6,
        "cache": 7, "calls": 8, "policy_service": 7, "policy_switches": 7, "policy_words": 7, "decorators": 7,
        "enforcement": 7, "simulation": 8,
        "local_models": 7, "vector_stores": 7,
        "frameworks": 9, "patch": 9,
        "setup": 10,
        "": 11,
        "testing": 12,
        "cli": 13,
    },
    "otelllm_collector": {
        "clocks": 0, "config": 0, "content_forms": 0, "native": 0, "priority": 0, "questions": 0, "rows": 0,
        "span_row": 0, "sql": 0, "": 1,
        "answers": 1, "arguments": 1, "columns": 1, "commits": 1, "conversations": 1, "enrich": 1, "journal": 1,
        "keys": 1, "normalise": 1, "prices": 1, "repeats": 1, "text": 1, "time_limits": 1,
        "auth": 2, "decode": 2, "encode": 2, "exporter_status": 2, "keys_command": 2, "listening": 2,
        "operations": 2, "packed": 2, "policies": 2, "retention": 2,
        "decoding": 3, "hosts": 3, "live": 3, "recovery": 3, "stores": 3, "telemetry": 3,
        "asker": 4, "matching": 4, "exporters": 4, "receivers": 4,
        "api": 5,
        "__main__": 6,
    },
    "otelllm_dashboard": {
        "address": 0, "client": 0, "format": 0,
        "empty": 1, "server": 1, "source": 1,
        "charts": 2, "filters": 2,
        "app_pages": 3,
        "__main__": 4, "app": 4,
    },
}  # fmt: skip
PLACES = {
    "otelllm": ROOT / "otelllm",
    "otelllm_collector": ROOT / "collector" / "otelllm_collector",
    "otelllm_dashboard": ROOT / "dashboard" / "otelllm_dashboard",
}
MAY_IMPORT = {
    "otelllm": set(),
    "otelllm_collector": {
        "call", "capture", "errors", "folders", "hosts", "policy", "policy_switches", "policy_words", "pricing",
        "redaction", "safely", "semconv", "version",
    },
    "otelllm_dashboard": set(),
}  # fmt: skip
FILES = [(name, file) for name, place in PLACES.items() for file in sorted(place.rglob("*.py"))]


def _imports(tree: ast.Module, package: str, file: Path) -> Iterator[str]:
    """The full names of what `tree` imports at run time (type checkers' own blocks left out)."""
    inside = file.relative_to(PLACES[package]).with_suffix("").parts
    here = [package, *inside[:-1]]
    skipped = {id(node) for block in ast.walk(tree) if _is_typing_block(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{one.name}" for one in node.names)


def _is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize(("package", "file"), FILES, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_imports_go_downward(package: str, file: Path) -> None:
    """A file of the library imports from lower floors only; each package imports no other that it may not."""
    tree = ast.parse(file.read_text())
    inside = file.relative_to(PLACES[package]).with_suffix("").parts
    own = inside[0] if inside[0] != "__init__" else ""
    floors = FLOORS[package]
    for name in _imports(tree, package, file):
        root, _, rest = name.partition(".")
        if root == package and floors:
            target = rest.split(".")[0]
            if target == own or (target not in floors and "" in floors):
                continue
            assert floors[target] < floors[own], f"{file.name} (floor {floors[own]}) imports {name}"
        elif root in PLACES and root != package:
            assert root == "otelllm", f"{file} imports {name}"
            assert rest.split(".")[0] in MAY_IMPORT[package], f"{file} imports {name}"


def test_every_module_has_a_floor() -> None:
    """A new file of the library says where it stands."""
    names = {path.stem if path.is_file() else path.name for path in PLACES["otelllm"].iterdir()
             if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())}  # fmt: skip
    assert names - {"__init__"} <= set(FLOORS["otelllm"])


def test_architecture_shows_the_floors() -> None:
    """The table in ARCHITECTURE.md has every file, on its floor."""
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("| floor | files of `otelllm/` |")[2].partition("\n\n")[0]
    rows = {row.split("|")[1].strip(): row.split("|")[2] for row in table.splitlines() if row.count("|") > 2}
    for name, floor in FLOORS["otelllm"].items():
        if name not in {"", "testing", "setup"}:
            assert f"`{name}`" in rows[str(floor)] or f"`{name}/`" in rows[str(floor)], (name, floor)


@pytest.mark.parametrize(("package", "file"), FILES, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_files_and_functions_are_small(package: str, file: Path) -> None:
    """A file holds one noun in at most 400 lines, a function one verb in at most 60."""
    text = file.read_text()
    assert text.count("\n") <= 400, f"{file} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            assert size <= 60, f"{file.name}:{node.lineno} {node.name} has {size} lines"


def test_only_config_reads_the_environment() -> None:
    """Settings come from one place."""
    readers = {file.name for name, file in FILES if name == "otelllm" and "cli" not in file.parts
               and any(word in file.read_text() for word in ("os.environ", "getenv"))}  # fmt: skip
    assert readers == {"config.py"}
