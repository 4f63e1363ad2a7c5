"""Ports of this machine: whether one is free."""

from __future__ import annotations

import errno
import os
import socket

from ._failure import Failure
from ._options import Address

__all__ = ["check_free", "free_or_any"]


def check_free(address: Address, option: str) -> None:
    """`Failure` says why nothing can listen at `address`, and which option names another one."""
    try:
        _listen(address)
    except OSError as error:
        taken = "is taken by another program" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
        raise Failure(f"{address} {taken}; choose another with {option}") from error


def free_or_any(address: Address) -> Address:
    """`address`, or a free port of the same host where it is taken."""
    try:
        return _listen(address)
    except OSError:
        return _listen(Address(address.host, 0))


def _listen(address: Address) -> Address:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        if os.name == "posix":  # as servers do: a port whose last connections still wind down is free
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
        return Address(address.host, sock.getsockname()[1])
