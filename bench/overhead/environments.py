"""A virtual environment for each contestant, made once under `.cache/bench/` from `constraints.txt`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CONSTRAINTS", "ROOT", "python_with"]

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = Path(__file__).with_name("constraints.txt")


def python_with(name: str, packages: Iterable[str], *, pins: Path = CONSTRAINTS) -> Path:
    """The interpreter of the environment `name`, made where it is missing or its packages or their versions changed.

    `pins` is the file of constraints that has their versions.
    """
    home = ROOT / ".cache" / "bench" / name
    python = home / "bin" / "python"
    wanted = hashlib.sha256(" ".join([sys.version, *packages, pins.read_text()]).encode()).hexdigest()
    made = home / "made-of"
    if made.is_file() and made.read_text() == wanted:
        return python
    print(f"making {home.relative_to(ROOT)}", file=sys.stderr)
    venv.create(home, clear=True, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", pins]
    subprocess.run([*pip, *packages], check=True, stdout=sys.stderr)
    # No first compilation in the import times.
    subprocess.run([python, "-m", "compileall", "-q", home / "lib"], check=False, stdout=subprocess.DEVNULL)
    made.write_text(wanted)
    return python
