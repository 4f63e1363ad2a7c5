"""What users install: the sdist and the wheel, built once, each put into bare environments of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MINUTES = 60


def checked(*command: str | Path, timeout_s: int = 8 * MINUTES, **options: object) -> str:
    """Run to its end; what it printed. A failure shows everything."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout_s, check=False, **options,  # type: ignore[call-overload]
    )  # fmt: skip
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return str(done.stdout)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist from this tree, and the wheel from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    checked(sys.executable, "-m", "build", "--outdir", out, ROOT)
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes an environment with what is named and nothing else; gives its Python."""

    def make(*packages: str | Path, constraints: Path | None = None) -> Path:
        place = tmp_path_factory.mktemp("environment")
        checked(sys.executable, "-m", "venv", place)
        python = place / "bin" / "python"
        pinned = ("-c", constraints) if constraints else ()
        checked(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned, *packages)
        return python

    return make
