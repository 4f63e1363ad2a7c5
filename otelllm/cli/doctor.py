"""`otelllm doctor`: what is installed here, what of it is watched, and whether a collector answers."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import config
from ..errors import BadConfig
from ..version import __version__
from . import _options
from ._client import ask
from ._failure import Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ..patch import Binding
    from ..spec import Provider
    from ._options import Subparsers

OPENTELEMETRY = ("opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


class Finding(NamedTuple):
    """One thing that was looked at."""

    well: bool
    text: str


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("doctor", help="what is installed, what is watched, whether a collector answers")
    _options.url(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """1 when something is wrong, so that a script can ask."""
    wrong = 0
    for finding in (*_versions(), *_settings(), *_providers(), _collector(args.url)):
        wrong += not finding.well
        print(f"{'  ok ' if finding.well else 'WRONG'}  {finding.text}", flush=True)
    return int(wrong > 0)


def _versions() -> Iterator[Finding]:
    yield Finding(True, f"otelllm {__version__}, Python {platform.python_version()}, {sys.platform}")
    for package in OPENTELEMETRY:
        found = _installed(package)
        yield Finding(found is not None, f"{package} {found or 'is missing: install otelllm again'}")


def _settings() -> Iterator[Finding]:
    try:
        settings = config.read()
    except BadConfig as error:
        yield Finding(False, f"environment: {error}")
        return
    if settings.disabled:
        yield Finding(False, "environment: OTELLLM_DISABLED is set, so apps are neither watched nor limited")
    if settings.sdk_disabled:
        yield Finding(False, "environment: OTEL_SDK_DISABLED is set, so apps send no spans, metrics or logs")
    path = Path(settings.policy_path or "otelllm.toml")
    if not (path.exists() or settings.policy_named):
        yield Finding(True, f"policy: none ({path} is not in this folder)")
        return
    from ..policy import load  # noqa: PLC0415  the rules' code is wanted where there are rules

    try:
        load(path)
    except BadConfig as error:
        yield Finding(False, f"policy: {error}")
    else:
        yield Finding(True, f"policy: {path} can be used")


def _providers() -> Iterator[Finding]:
    """Each SDK is imported and patched in this process, as in an app; what it would send goes nowhere."""
    from opentelemetry._logs import NoOpLoggerProvider  # noqa: PLC0415  the library, for this command only
    from opentelemetry.metrics import NoOpMeterProvider  # noqa: PLC0415
    from opentelemetry.trace import NoOpTracerProvider  # noqa: PLC0415

    from .. import setup  # noqa: PLC0415
    from ..policy import Policy  # noqa: PLC0415
    from ..providers import found  # noqa: PLC0415

    try:
        setup.instrument(
            policy=Policy(), capture="off", tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider(),
            logger_provider=NoOpLoggerProvider(),
        )  # fmt: skip
    except BadConfig:
        return  # said already, of the environment
    try:
        for provider in found() if setup.bindings() else []:  # none: OTELLLM_DISABLED, said already
            yield _provider(provider, [one for one in setup.bindings() if one.provider == provider.name])
    finally:
        setup.uninstrument()


def _provider(provider: Provider, bindings: list[Binding]) -> Finding:
    there = _installed(provider.package)
    if there is None:
        return Finding(True, f"{provider.package} is not installed (supported from {provider.oldest})")
    for module in sorted({one.target.partition(":")[0] for one in bindings}):
        try:
            import_module(module)
        except ImportError:
            continue  # a newer or older SDK: its bindings stay unbound, and are named below
    lost = [one.target for one in bindings if not (one.bound or one.optional)]
    if lost:
        return Finding(False, f"{provider.package} {there}: not watched are {', '.join(lost)}")
    bound = sum(one.bound for one in bindings)
    return Finding(bound > 0, f"{provider.package} {there}: {bound} methods are watched")


def _collector(url: str) -> Finding:
    try:
        health = ask(url, "/healthz")
    except Failure as failure:
        return Finding(False, str(failure))
    return Finding(health.get("status") == "ok", f"collector {health.get('version')} answers at {url}")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
