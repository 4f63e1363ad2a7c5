"""`otelllm doctor`: what is installed here, what of it is watched and by whom else, where spans go, if they arrive."""

from __future__ import annotations

import json
import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .. import config
from ..errors import BadConfig
from ..supported import installed
from ..version import __version__
from . import _options
from ._arrival import arrival, collector
from ._failure import Failure
from ._finding import Finding
from ._watched import packages, patched

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ._options import Subparsers

OPENTELEMETRY = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("doctor", help="what is watched and by whom else, where spans go, if they arrive")
    _options.url(parser)
    parser.add_argument(
        "--import", dest="module", metavar="MODULE", help="import this of your app's first: its own setup"
    )
    parser.add_argument("--format", choices=["text", "json"], default="text", help="how it is printed")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """1 when something is wrong, so that a script can ask."""
    if args.module:
        _import(args.module)
    findings = []
    for finding in _findings(args.url):
        findings.append(finding)
        if args.format == "text":
            print(finding.lines(), flush=True)
    well = all(finding.well for finding in findings)
    if args.format == "json":
        print(json.dumps({"well": well, "findings": [finding.record() for finding in findings]}, indent=2))
    return int(not well)


def _import(module: str) -> None:
    sys.path.insert(0, "")  # as `python -m` would
    try:
        import_module(module)
    except Exception as error:
        raise Failure(f"--import {module}: {type(error).__name__}: {error}") from error


def _findings(url: str) -> Iterator[Finding]:
    yield from _versions()
    yield from _settings()
    with patched() as is_on:
        if is_on:
            yield from packages()
        spans = list(arrival())
    yield from spans
    is_elsewhere = any(one.facts.get("arrived") and not str(one.facts["endpoint"]).startswith(url) for one in spans)
    yield collector(url, wanted=not is_elsewhere)


def _versions() -> Iterator[Finding]:
    facts = {"version": __version__, "python": platform.python_version(), "platform": sys.platform}
    text = f"otelllm {__version__}, Python {platform.python_version()}, {sys.platform}"
    yield Finding("otelllm", True, text, facts=facts)
    for package in OPENTELEMETRY:
        found = installed(package)
        text = f"{package} {found or 'is missing: install otelllm again'}"
        yield Finding(package, found is not None, text, facts={"version": found})


def _settings() -> Iterator[Finding]:
    try:
        settings = config.read()
    except BadConfig as error:
        yield Finding("environment", False, f"environment: {error}")
        return
    if settings.disabled:
        text = "environment: OTELLLM_DISABLED is set, so apps are neither watched nor limited"
        yield Finding("environment", False, text)
    if settings.sdk_disabled:
        text = "environment: OTEL_SDK_DISABLED is set, so apps send no spans, metrics or logs"
        yield Finding("environment", False, text)
    path = Path(settings.policy_path or "otelllm.toml")
    if not (path.exists() or settings.policy_named):
        yield Finding("policy", True, f"policy: none ({path} is not in this folder)")
        return
    from ..policy import load  # noqa: PLC0415  the rules' code is wanted where there are rules

    try:
        policy = load(path)
    except BadConfig as error:
        yield Finding("policy", False, f"policy: {error}")
        return
    yield Finding("policy", True, f"policy: {path} can be used")
    if [*policy.limits, *policy.budgets]:
        yield _counters(policy.state.url)


def _counters(url: str) -> Finding:
    """Whether what limits and budgets count in can be reached."""
    from ..state.opening import open_state  # noqa: PLC0415  as above
    from ..state.spec import Bucket, StateAway  # noqa: PLC0415
    from ..steps import drive  # noqa: PLC0415

    if url.startswith("memory:"):
        text = "counters: each process counts alone, so four workers have four times the limits; leave state.url out"
        return Finding("counters", True, text)
    if url == "sqlite:":
        return Finding("counters", True, f"counters: a file for each service in {config.read().state_folder}")
    try:
        state = open_state(url, "otelllm-doctor")
        drive(state.read([Bucket("doctor", "slots", 1)]), lambda _: None)
        state.close()
    except (BadConfig, StateAway) as error:
        return Finding("counters", False, f"counters: {error}")
    return Finding("counters", True, "counters: can be reached")
