"""The environments of `make test-matrix`: each file can be used, none is forgotten, and a run says what happened."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "tests" / "matrix").glob("*.txt"))


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("matrix", ROOT / "scripts" / "matrix.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["matrix"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


matrix = _script()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(matrix, "FILES", tmp_path)
    monkeypatch.setattr(matrix, "CACHE", tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    return tmp_path


def _tested(code: str, folder: Path) -> Any:
    """What comes of a suite, run by this Python."""
    (folder / "test_one.py").write_text(code)
    tests = (f"{folder}/test_one.py", f"--rootdir={folder}", f"--confcutdir={folder}", "-c", "/dev/null")
    return matrix.test(matrix.Environment("one", tests, (), {}), Path(sys.executable))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_names_tests_that_exist_and_pins_what_it_is_about(path: Path) -> None:
    environment = matrix.read(path)
    folders = [one for one in environment.tests if one.startswith("tests/")]
    assert folders
    assert [one for one in folders if not (ROOT / one.partition("::")[0]).exists()] == []
    assert "?" not in environment.versions
    assert "pytest" in environment.pins


def test_a_folder_that_make_test_may_skip_has_an_environment() -> None:
    named = {ROOT / one for path in FILES for one in matrix.read(path).tests if not one.startswith("-")}
    skipping = [
        conftest.parent
        for conftest in (ROOT / "tests").rglob("conftest.py")
        if "node_modules" not in conftest.parts and "importorskip(" in conftest.read_text()
    ]
    assert [folder for folder in skipping if not named & {folder, *folder.parents}] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# tests: tests\n# for: groq\ngroq>=0.9\n", "one.txt:3: 'groq>=0.9' is not `name==version`"),
        ("# tests: tests\ngroq==0.9.0\n", "a line `# for: …` is missing"),
        ("# for: groq\ngroq==0.9.0\n", "a line `# tests: …` is missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(folder: Path, text: str, said: str) -> None:
    (folder / "one.txt").write_text(text)
    with pytest.raises(matrix.Unusable, match=re.escape(said)):
        matrix.read(folder / "one.txt")


def test_a_missing_file_is_an_error(folder: Path) -> None:
    with pytest.raises(matrix.Unusable, match=r"no file of tests/matrix/ is named 'groq\*'"):
        matrix.choose(["groq*"])
    with pytest.raises(matrix.Unusable, match="has no file"):
        matrix.choose([])
    with pytest.raises(matrix.Unusable, match="is not there"):
        matrix.read(folder / "groq.txt")


def test_patterns_choose_files(folder: Path) -> None:
    for name in ("groq-oldest", "groq-newest", "ollama-oldest"):
        (folder / f"{name}.txt").touch()
    assert [path.stem for path in matrix.choose(["groq*"])] == ["groq-newest", "groq-oldest"]
    assert [path.stem for path in matrix.choose(["*-oldest"])] == ["groq-oldest", "ollama-oldest"]
    assert len(matrix.choose([])) == 3


@pytest.mark.slow
def test_an_environment_is_made_anew_for_another_pin_only(folder: Path) -> None:
    made = []
    for comment, version in (("a", "1"), ("b", "1"), ("a", "2")):
        (folder / "one.txt").write_text(f"# {comment}\n# tests: tests\n# for: Some_Sdk\nsome-sdk=={version}\n")
        environment = matrix.read(folder / "one.txt")
        assert environment.versions == f"Some_Sdk {version}"
        made.append(environment.folder)
    assert made[0] == made[1] != made[2]


@pytest.mark.slow
def test_tests_are_counted(folder: Path) -> None:
    code = "import pytest\ndef test_a(): pass\ndef test_b(): pass\n@pytest.mark.skip\ndef test_c(): pass\n"
    assert _tested(code, folder) == (2, 0, 1, "")


@pytest.mark.slow
def test_a_failure_is_counted_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _tested("def test_a(): pass\ndef test_b(): assert 1 == 2\n", folder) == (1, 1, 0, "")
    assert "assert 1 == 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "code",
    [
        "",
        "import pytest\npytest.importorskip('no_such_sdk')\n",
        "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n",
    ],
)
@pytest.mark.slow
def test_a_suite_that_ran_no_test_is_an_error(folder: Path, code: str) -> None:
    outcome = _tested(code, folder)
    assert (outcome.passed, outcome.failed, outcome.problem) == (0, 0, "ran no test")


@pytest.mark.slow
def test_a_suite_that_never_ends_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "SUITE_SECONDS", 1)
    outcome = _tested("import threading\ndef test_a(): threading.Event().wait()\n", folder)
    assert outcome == (0, 0, 0, "took longer than 1 s")


def test_the_table_has_a_row_an_environment() -> None:
    rows = [
        ("groq-oldest", "groq 0.9.0", matrix.Outcome(12, 0, 1), 3.4),
        ("x", "?", matrix.Outcome(problem="ran\nno"), 61),
    ]
    assert matrix.table(rows).splitlines() == [
        "environment  versions    passed  failed  skipped   s",
        "groq-oldest  groq 0.9.0      12       0        1   3",
        "x            ?                0       0        0  61  ran",
    ]
