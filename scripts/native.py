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

from otelllm_collector.native import COMPILED, FOLDER, GROUP, STAMP, is_compiled, sources_hash  # noqa: E402

BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
folder, group, *modules = sys.argv[1:]
setup(
    name="native", script_args=["-q", "build_ext", "--build-lib", f"{folder}/lib", "--build-temp", f"{folder}/temp"],
    ext_modules=mypycify(modules, opt_level="3", debug_level="0", target_dir=f"{folder}/c", group_name=group),
)
"""
"""In a process of its own: mypyc and setuptools change the process that they run in."""


class NotPossible(Exception):  # noqa: N818  says what happened
    """Nothing can be compiled here; the text says why."""


def build() -> None:
    """Compile them, unless they are compiled already."""
    if is_compiled():
        return
    made_of = sources_hash()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", BUILD, folder, GROUP, *(f"otelllm_collector/{module}.py" for module in COMPILED)],
            cwd=COLLECTOR, env={**os.environ, "MYPYPATH": f"{ROOT}:{COLLECTOR}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        made = Path(folder) / "lib"
        found = [one for one in made.rglob("*") if one.is_file()]
        if done.returncode or not found:
            raise NotPossible(f"mypyc ended with {done.returncode}:\n{done.stdout[-2000:]}")
        for one in found:
            inside = one.relative_to(made)
            target = FOLDER / (inside.relative_to("otelllm_collector") if len(inside.parts) > 1 else inside)
            target.parent.mkdir(parents=True, exist_ok=True)
            # Under a name of its own first: a collector that runs has the old one mapped.
            part = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copyfile(one, part)
            part.replace(target)
        STAMP.write_text(made_of, encoding="ascii")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--if-possible", action="store_true")
    only_if_possible = parser.parse_args().if_possible
    try:
        build()
    except NotPossible as why:
        print(f"The collector will run uncompiled, slower: {why}", file=sys.stderr)
        return 0 if only_if_possible else 1
    print(f"compiled: {', '.join(COMPILED)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
