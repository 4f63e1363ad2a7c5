"""Versions: what is declared is what the test matrix runs, and another version is warned of once and watched."""

from __future__ import annotations

import importlib
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otelllm import frameworks, providers
from otelllm.supported import outside, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry

ROOT = Path(__file__).parent.parent.parent
OURS = {one.name: one for one in (*providers.found(), *frameworks.found())}


def _tested(name: str, package: str) -> set[str]:
    """The versions of a package that environments of the matrix are about, by their `# for:` line or their name."""
    found = set()
    for path in (ROOT / "tests" / "matrix").glob("*.txt"):
        lines = path.read_text().splitlines()
        asked = re.findall(r"[\w.-]+", next(line for line in lines if line.startswith("# for:")))
        if package in asked or path.stem.startswith((f"{name}-", f"{package}-")):
            found |= {line.partition("==")[2] for line in lines if line.startswith(f"{package}==")}
    return found


@pytest.mark.parametrize("name", OURS)
def test_the_declared_bounds_are_what_the_matrix_runs(name: str) -> None:
    owner = OURS[name]
    versions = _tested(name, owner.package)
    for bound in (owner.oldest, owner.newest):
        assert any(f"{version}.0".startswith(f"{bound}.") for version in versions), (bound, versions)
    assert [version for version in versions if outside(version, owner.oldest, owner.newest)] == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("1.91.0", "older"), ("1.92", None), ("1.92.0", None), ("1.92.0rc1", None), ("3.54.0", None), ("3.55.1", None),
        ("3.9", None), ("4.0.0b1", "newer"), ("0.9", "older"), ("no number", "older"),
    ],
)  # fmt: skip
def test_a_version_is_judged_by_its_major(found: str, said: str | None) -> None:
    assert outside(found, "1.92", "3.54") == said


def test_before_one_the_minor_is_the_major() -> None:
    found = ("0.8.9", "0.9.0", "0.30.7", "0.31", "1.0")
    assert [outside(one, "0.9", "0.30.1") for one in found] == ["older", None, None, "newer", "newer"]


def test_without_a_newest_none_is_newer() -> None:
    assert (outside("99.0", "1.0"), span("1.0"), span("1.0", "2.1")) == (None, "from 1.0", "1.0 to 2.1")


_OUTSIDER = """
from otelllm.spec import Hook, Wrapper

class Framework:
    name = package = "madeup"
    oldest, newest = "1.2", "2.5"
    hooks = (Wrapper("madeup:ask", lambda original: lambda: "seen"), Wrapper("madeup.more:ask", str))

FRAMEWORK = Framework()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package of a version, with an outsider's instrumentation of it, for as long as the test lasts."""

    def install(version: str) -> None:
        (tmp_path / "madeup").mkdir()
        (tmp_path / "madeup" / "__init__.py").write_text("def ask(): return 'asked'\n")
        (tmp_path / "madeup" / "more.py").write_text("def ask(): return 'asked'\n")
        (tmp_path / "madeup_hooks.py").write_text(_OUTSIDER)
        info = tmp_path / f"madeup-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: madeup\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[otelllm.frameworks]\nmadeup = madeup_hooks:FRAMEWORK\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    for module in [name for name in sys.modules if name.startswith("madeup")]:
        del sys.modules[module]


@pytest.mark.parametrize(("version", "how"), [("1.1.9", "older"), ("1.2.0", None), ("2.7.0", None), ("3.0.0", "newer")])
def test_another_version_is_warned_of_once_and_watched(
    otel: Telemetry, installed: Callable[[str], None], caplog: pytest.LogCaptureFixture, version: str, how: str | None
) -> None:
    installed(version)
    with caplog.at_level(logging.WARNING, "otelllm"):
        otel.instrument()
        package: Any = importlib.import_module("madeup")
        importlib.import_module("madeup.more")
    said = [record.getMessage() for record in caplog.records]
    expected = f"madeup {version} is {how} than the versions that otelllm was tested with (1.2 to 2.5)"
    assert [line.partition(":")[0] for line in said] == ([expected] if how else [])
    assert package.ask() == "seen"


@pytest.mark.parametrize("folder", [providers, frameworks], ids=["providers", "frameworks"])
def test_a_file_is_loaded_where_what_it_watches_is_here(folder: Any) -> None:
    """The packages by which that is decided are those of its targets."""
    for one in folder.found():
        module = type(one).__module__.removeprefix(f"{folder.__name__}.").partition(".")[0]
        tables = [*getattr(one, "methods", ()), *getattr(one, "hooks", ())]
        roots = {table.target.partition(":")[0].partition(".")[0] for table in tables}
        assert set(folder.WATCHED.get(module, (module,))) == roots
    names = {one.name for one in folder.installed()}
    assert names <= {one.name for one in folder.found()}
    assert folder is not providers or "openai" in names
