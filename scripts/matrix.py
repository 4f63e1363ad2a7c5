"""Runs suites in environments of their own: one for each file of `tests/matrix/` (its README says how to add one).

python scripts/matrix.py run ['groq*' …]              all of them, or those whose names match
python scripts/matrix.py pin NAME 'groq==0.9.0' …     write tests/matrix/NAME.txt, every version pinned
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "tests" / "matrix"
CACHE = ROOT / ".cache" / "matrix"
SUITE_SECONDS = 600
SHOWN_LINES = 200
BASE = ("pytest>=8", "anyio>=4")
"""What the tests' own helpers need, beside the library's dependencies."""

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")
HEADER = re.compile(r"# (tests|for): (.+)")


class Unusable(Exception):  # noqa: N818  what is wrong, not that something is
    """A file, or a suite, that can't be what somebody meant; the text says what to do."""


@dataclass(frozen=True)
class Environment:
    """One file: what is installed, and which tests run there."""

    name: str
    tests: tuple[str, ...]
    """Pytest's arguments."""
    wanted: tuple[str, ...]
    """The requirements that it is about; all other pins follow from them."""
    pins: Mapping[str, str]
    """Version by package."""

    @property
    def folder(self) -> Path:
        """Where it is built: another one as soon as a pin, the Python or our own packaging changes."""
        parts = (sys.version, sorted(self.pins.items()), (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return CACHE / f"{self.name}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"

    @property
    def versions(self) -> str:
        """Such as "groq 0.9.0", for the table."""
        names = [re.split(r"[^A-Za-z0-9._-]", one)[0] for one in self.wanted]
        shown = [f"{name} {self.pins.get(_plain(name), '?')}" for name in names]
        return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


class Outcome(NamedTuple):
    """What a suite's run came to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problem: str = ""
    """Why the run counts as failed, beyond its tests."""


class Row(NamedTuple):
    """A line of the table."""

    name: str
    versions: str
    outcome: Outcome
    seconds: float


def read(path: Path) -> Environment:
    """The environment that a file describes; raises `Unusable`."""
    if not path.is_file():
        raise Unusable(f"{path} is not there: `scripts/matrix.py pin {path.stem} REQUIREMENT …` makes it")
    header: dict[str, tuple[str, ...]] = {}
    pins: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if found := HEADER.fullmatch(line):
            header[found[1]] = tuple(shlex.split(found[2]))
        elif found := PIN.fullmatch(line):
            pins[_plain(found[1])] = found[2]
        elif line and not line.startswith("#"):
            raise Unusable(f"{path.name}:{number}: {line!r} is not `name==version`")
    for word in ("tests", "for"):
        if word not in header:
            raise Unusable(f"{path.name}: a line `# {word}: …` is missing")
    return Environment(path.stem, header["tests"], header["for"], pins)


def choose(patterns: Sequence[str]) -> list[Path]:
    """The files that match any of `patterns`, all without one; a pattern that matches none raises `Unusable`."""
    files = sorted(FILES.glob("*.txt"))
    for pattern in patterns:
        if not any(fnmatch(file.stem, pattern) for file in files):
            raise Unusable(f"no file of tests/matrix/ is named {pattern!r}")
    if not files:
        raise Unusable("tests/matrix/ has no file")
    return [file for file in files if not patterns or any(fnmatch(file.stem, pattern) for pattern in patterns)]


def build(environment: Environment) -> Path:
    """The environment's Python; makes the environment where it isn't there whole. Raises `Unusable`."""
    folder = environment.folder
    python, whole = folder / "bin" / "python", folder / "whole"
    if whole.is_file():
        return python
    for old in CACHE.glob(f"{environment.name}-{'?' * 12}"):
        shutil.rmtree(old)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    uv("pip", "sync", "--quiet", "--python", str(python), str(FILES / f"{environment.name}.txt"))
    uv("pip", "install", "--quiet", "--no-deps", "--python", str(python), "--editable", str(ROOT))
    uv("pip", "check", "--quiet", "--python", str(python))  # a pin that was forgotten
    whole.touch()
    return python


def uv(*arguments: str, given: str | None = None) -> str:
    """Run uv, with the registry that pip is set up for; raises `Unusable` with what it said."""
    command = (sys.executable, "-m", "uv", *arguments)
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=_registry(), cwd=ROOT, check=False)
    if done.returncode:
        raise Unusable(f"uv {' '.join(arguments)}:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _registry() -> dict[str, str]:
    """The process's environment, and pip's index, folder of wheels and certificate under the names that uv reads."""
    settings = dict(os.environ)
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    names = (("index-url", "UV_DEFAULT_INDEX"), ("find-links", "UV_FIND_LINKS"), ("cert", "SSL_CERT_FILE"))
    for name, ours in names:
        for value in re.findall(rf"^\S*\.{name}='([^']*)'$", said.stdout, re.MULTILINE):
            settings.setdefault(ours, value)
    return settings


def test(environment: Environment, python: Path) -> Outcome:
    """Run the environment's suite; its output goes to a file, and the end of it here where it failed."""
    report, output = CACHE / f"{environment.name}.xml", CACHE / f"{environment.name}.log"
    report.unlink(missing_ok=True)
    settings = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    settings |= {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(python.parent.parent)}
    command = (str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *environment.tests)
    problem = ""
    # A place of its own for temporary files: pytest closes the one that all its runs share to others at each start.
    with output.open("w", encoding="utf-8") as file, tempfile.TemporaryDirectory(prefix="matrix-") as place:
        settings["PYTEST_DEBUG_TEMPROOT"] = place
        try:
            code = subprocess.run(
                command, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                timeout=SUITE_SECONDS, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code, problem = 1, f"took longer than {SUITE_SECONDS} s"
    outcome = count(report)._replace(problem=problem)
    if not (outcome.passed or outcome.failed or problem):
        outcome = outcome._replace(problem="ran no test")
    elif code and not (outcome.failed or problem):
        outcome = outcome._replace(problem=f"pytest ended with {code}")
    if outcome.failed or outcome.problem:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join((*lines[-SHOWN_LINES:], f"(all of it: {output})")))
    return outcome


def count(report: Path) -> Outcome:
    """The tests of a JUnit report; none where there is no report."""
    if not report.is_file():
        return Outcome()
    suites: Any = ET.parse(report).getroot().iter("testsuite")  # pytest's own file
    ran = failed = skipped = 0
    for suite in suites:
        ran += int(suite.get("tests"))
        failed += int(suite.get("failures")) + int(suite.get("errors"))
        skipped += int(suite.get("skipped"))
    return Outcome(ran - failed - skipped, failed, skipped)


def run(patterns: Sequence[str], jobs: int) -> int:
    """The suites, `jobs` at a time, each told as it ends, then the table; 1 when anything failed."""
    with ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(_run_one, choose(patterns)))
    print(table(rows))
    results = [row.outcome for row in rows]
    passed, skipped = sum(one.passed for one in results), sum(one.skipped for one in results)
    failed = sum(one.failed or bool(one.problem) for one in results)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)


def _run_one(path: Path) -> Row:
    began, versions = time.monotonic(), "?"
    try:
        environment = read(path)
        versions = environment.versions
        outcome = test(environment, build(environment))
    except Unusable as problem:
        outcome = Outcome(problem=str(problem))
    row = Row(path.stem, versions, outcome, time.monotonic() - began)
    print(f"{path.stem}: {_line(outcome)} in {row.seconds:.0f} s", flush=True)
    return row


def table(rows: Iterable[Row]) -> str:
    """The summary, in columns."""
    cells: list[tuple[str, ...]] = [("environment", "versions", "passed", "failed", "skipped", "s", "")]
    for name, versions, outcome, seconds in rows:
        problem = outcome.problem.partition("\n")[0]
        numbers = (outcome.passed, outcome.failed, outcome.skipped)
        cells.append((name, versions, *map(str, numbers), f"{seconds:.0f}", problem))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = []
    for row in cells:
        fitted = [cell.rjust(width) if 2 <= at <= 5 else cell.ljust(width) for at, (cell, width) in
                  enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(fitted).rstrip())
    return "\n".join(lines)


def _line(outcome: Outcome) -> str:
    counted = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
    return f"{outcome.problem}: {counted}" if outcome.problem else counted


def pin(name: str, requirements: Sequence[str], tests: str | None) -> int:
    """Write `name`'s file: the versions asked for, all others as in constraints.txt where that is possible.

    Without requirements the file's own are resolved anew; its `# tests:` line stays unless `tests` is given.
    """
    path = FILES / f"{name}.txt"
    there = read(path) if path.is_file() else None
    wanted = tuple(requirements) or (there.wanted if there else ())
    if not wanted:
        raise Unusable(f"{path.name} is new: say what it is about, such as 'groq==0.9.0'")
    tests = tests or (shlex.join(there.tests) if there else f"tests/library/{name.partition('-')[0]}")
    # uv keeps the versions of the file that it writes to, wherever the requirements let it.
    draft = CACHE / f"{name}.draft"
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text((path if there else ROOT / "constraints.txt").read_text(encoding="utf-8"), encoding="utf-8")
    uv(
        "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", sys.executable,
        "--output-file", str(draft), "pyproject.toml", "-", given="\n".join((*BASE, *wanted)),
    )  # fmt: skip
    pins = [line for line in draft.read_text(encoding="utf-8").splitlines() if PIN.fullmatch(line)]
    draft.unlink()
    path.write_text("\n".join((f"# tests: {tests}", f"# for: {shlex.join(wanted)}", *pins, "")), encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {len(pins)} pins for {read(path).versions}; its tests: {tests}")
    return 0


def _plain(name: str) -> str:
    return re.sub(r"[._-]+", "-", name).lower()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="run the suites")
    runs.add_argument("patterns", nargs="*", metavar="PATTERN")
    runs.add_argument("--jobs", type=int, default=2, help="suites at a time (2)")
    pins = commands.add_parser("pin", help="write a complete file of pins")
    pins.add_argument("name", metavar="NAME")
    pins.add_argument("requirements", nargs="*", metavar="REQUIREMENT")
    pins.add_argument("--tests", help="pytest's arguments (default: tests/library/ and the name up to its first dash)")
    args = parser.parse_args()
    try:
        return run(args.patterns, args.jobs) if args.command == "run" else pin(args.name, args.requirements, args.tests)
    except Unusable as problem:
        print(problem, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
