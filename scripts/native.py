"""Compile the collector's hot modules by mypyc into otelllm_collector/_native/, for the Python that runs this.

python scripts/native.py [--if-possible]      the latter says why not, and succeeds, where there is no C compiler
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTOR = ROOT / "collector"
sys.path.insert(0, str(COLLECTOR))

from otelllm_collector.native import COMPILED, FOLDER, is_compiled, source_hash  # noqa: E402

BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
module, folder = sys.argv[1:]
setup(
    name="native", script_args=["-q", "build_ext", "--build-lib", f"{folder}/lib", "--build-temp", f"{folder}/temp"],
    ext_modules=mypycify([module], opt_level="3", debug_level="0", target_dir=f"{folder}/c"),
)
"""
"""In a process of its own: mypyc and setuptools change the process that they run in."""


class NotPossible(Exception):  # noqa: N818  says what happened
    """Nothing can be compiled here; the text says why."""


def build(module: str) -> None:
    """Compile one module, unless it is compiled already."""
    if is_compiled(module):
        return
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", BUILD, f"otelllm_collector/{module}.py", folder],
            cwd=COLLECTOR, env={**os.environ, "MYPYPATH": f"{ROOT}:{COLLECTOR}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        made = Path(folder) / "lib" / "otelllm_collector"
        found = list((made / module).parent.glob(f"{Path(module).name}*"))
        if done.returncode or not found:
            raise NotPossible(f"{module}.py could not be compiled:\n{done.stdout[-2000:]}")
        target = (FOLDER / module).parent
        target.mkdir(parents=True, exist_ok=True)
        for one in found:
            # Under a name of its own first: a collector that runs has the old one mapped.
            part = target / f".{one.name}.{os.getpid()}"
            shutil.copyfile(one, part)
            part.replace(target / one.name)
        (FOLDER / f"{module}.sha256").write_text(source_hash(module), encoding="ascii")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--if-possible", action="store_true")
    only_if_possible = parser.parse_args().if_possible
    try:
        for module in COMPILED:
            build(module)
    except NotPossible as why:
        print(f"The collector will run uncompiled, slower: {why}", file=sys.stderr)
        return 0 if only_if_possible else 1
    print(f"compiled: {', '.join(COMPILED)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
