"""Whose cloud a client sends to: those of the clouds have Cohere's own base URL, and a hook that rewrites it."""

from __future__ import annotations

from typing import Any

from ...spec import Endpoint

__all__ = ["platform_of"]


def platform_of(http: Any) -> Endpoint | None:
    """Told from the hooks of the client's HTTP client; None where it speaks to its base URL."""
    for hook in http.event_hooks.get("request", ()):
        module = getattr(hook, "__module__", "")
        if module not in {"cohere.aws_client", "cohere.oci_client"}:
            continue
        names = hook.__code__.co_freevars
        known = {name: cell.cell_contents for name, cell in zip(names, hook.__closure__ or (), strict=True)}
        if module == "cohere.oci_client":
            region = known.get("oci_region")
            return Endpoint("oracle_cloud", f"inference.generativeai.{region}.oci.oraclecloud.com", 443)
        region, service = known.get("aws_region"), known.get("service")
        if service == "sagemaker":
            return Endpoint("aws.sagemaker", f"runtime.sagemaker.{region}.amazonaws.com", 443)
        return Endpoint("aws.bedrock", f"bedrock-runtime.{region}.amazonaws.com", 443)
    return None
