"""`otelllm collector`: receive OTLP, keep it in DuckDB, answer questions about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _options
from ._children import Children
from ._servers import start_collector

if TYPE_CHECKING:
    import argparse

    from ._options import Subparsers


def add(subparsers: Subparsers) -> None:
    """The command's options."""
    parser = subparsers.add_parser("collector", help="receive OTLP and keep it in DuckDB")
    _options.data(parser)
    _options.http(parser)
    _options.grpc(parser)
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate that both ports show (OTELLLM_TLS_CERT)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key (OTELLLM_TLS_KEY)")
    parser.add_argument(
        "--tls-client-ca", metavar="FILE",
        help="authority whose certificates clients must show (OTELLLM_TLS_CLIENT_CA)",
    )  # fmt: skip
    parser.add_argument(
        "--cors-origin", metavar="ORIGIN", action="append",
        help="whose pages may send spans and feedback; may be repeated (OTELLLM_CORS_ORIGINS)",
    )  # fmt: skip
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file of the exporters; else collector.toml in the data folder (OTELLLM_CONFIG)",
    )
    parser.add_argument("--journal-size", metavar="MB", help="what may wait for an exporter (OTELLLM_JOURNAL_SIZE)")
    parser.add_argument("--journal-age", metavar="HOURS", help="how long it may wait (OTELLLM_JOURNAL_AGE)")
    parser.add_argument(
        "--retention-days",
        metavar="DAYS",
        help='how long all is kept, such as "30,checkout=7" (OTELLLM_RETENTION_DAYS)',
    )
    parser.add_argument(
        "--retention-content-days", metavar="DAYS", help="how long content is (OTELLLM_RETENTION_CONTENT_DAYS)"
    )
    parser.add_argument("--retention-size", metavar="SIZE", help="bytes on disk, such as 20GB (OTELLLM_RETENTION_SIZE)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    with Children() as children:
        more = _options.given(
            args, "grpc", "tls_cert", "tls_key", "tls_client_ca", "cors_origin", "config", "journal_size",
            "journal_age",
            "retention_days", "retention_content_days", "retention_size",
        )  # fmt: skip
        collector = start_collector(children, _options.address(args.http), args.data, *more)
        if children.ready(collector):
            children.stay(collector)
    return children.code()
