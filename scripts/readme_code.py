"""Checks the README's Python with mypy --strict, against the wheel that users install rather than this tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def snippets(text: str) -> list[str]:
    """The Python fences of a Markdown text."""
    return FENCE.findall(text)


def main() -> int:
    """Build the wheel, unpack it beside the snippets, check them; mypy's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
            wheel.extractall(place / "installed")
        files = []
        for number, code in enumerate(snippets((ROOT / "README.md").read_text())):
            files.append(place / f"readme_{number}.py")
            files[-1].write_text(code)
        return subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", *map(str, files)],
            env={**os.environ, "MYPYPATH": str(place / "installed")}, cwd=place, check=False,
        ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
