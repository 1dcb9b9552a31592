"""The port we listen on, or who else does."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

from patter_cli.errors import BadSetting, NotReachable, PortBusy, reason

_LISTENING = "0A"
"""Source: Linux, include/net/tcp_states.h, TCP_LISTEN."""


def bind_port(host: str, port: int, *, send_buffer_bytes: int) -> socket.socket:
    """Open a listening port. port: 0 for any free one. Raises PortBusy, NotReachable or BadSetting.

    send_buffer_bytes: the kernel's buffer of each connection; Linux keeps its own records in as much again.
    """
    if not 0 <= port <= 65535:
        raise BadSetting(f"{port} is no port", hint="ports go from 1 to 65535")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise BadSetting(
            f"cannot listen on {host}:{port}: no such host is known", hint="give an address of this machine"
        ) from error
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(socket.SOMAXCONN)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            owner = who_listens(port)
            by = f" by {owner}" if owner else ""
            hint = f"stop it, or choose another port: --port {port + 1 if port < 65535 else 8000}"
            raise PortBusy(f"port {port} is already in use{by}", hint=hint) from error
        raise NotReachable(f"cannot listen on {host}:{port}: {reason(error)}") from error
    return sock


def who_listens(port: int, proc: Path = Path("/proc")) -> str:
    """Name the process that listens on a local TCP port, as "name (pid 123)"; "" where that cannot be known."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    if not wanted:
        return ""
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in wanted:
                        return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _listening_inodes(port: int, proc: Path) -> set[str]:
    """Source: Linux, proc(5), /proc/net/tcp: local address in field 1, state in 3, inode in 9."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes
