"""Tunnel: a public address for a local port, for as long as it is wanted.

    Tunnel (a recipe, frozen) --open(port)--> OpenTunnel: host ... lost() ... aclose()

A tunnel says under which name it can be reached; whether that is so finds out whoever opened it, with a round trip.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Tunnel(Protocol):
    """One way to be reached from outside."""

    @property
    def name(self) -> str:
        """As people write it: "cloudflared"."""

    @property
    def renewable(self) -> bool:
        """Opening it again replaces one that is dead. False: it is somebody else's to mend."""

    async def open(self, port: int) -> OpenTunnel:
        """Lead a public address to this port of 127.0.0.1. Raises TunnelDown, ConfigError where its program is missing,
        both with what to do."""


class OpenTunnel(Protocol):
    """One that is open, until it is lost or closed."""

    @property
    def host(self) -> str:
        """The public host name, in lower case, without scheme; with a port if it is not 443."""

    @property
    def about(self) -> str:
        """What carries it, for people: the program, its version, its checksum."""

    async def lost(self) -> str:
        """Wait until it is certain that nothing comes through any more; returns why."""

    async def aclose(self) -> None:
        """End it, and every process that belongs to it. Twice is fine."""
