"""Where a webhook may connect to: a name is looked up once, every address checked, and one of those connected to.

Checking a name and then letting a library connect to it checks nothing: the library looks it up again, and whoever owns
the name answers differently the second time. So the check stands where the connection is made. TLS and the Host header
still see the name. Proxies of the environment are not used: the check could not see behind them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from patter_cli.errors import InputError, NetworkError, NotReachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) to the addresses of a name, as text."""

MOST_ADDRESSES = 4
"""So many are tried until one takes the connection."""

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


_OURS = _networks(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""This machine and its networks: private, shared (RFC 6598), loopback, link-local with the clouds' metadata."""
_PLATFORMS = _networks("168.63.129.16/32", "161.26.0.0/16", "166.8.0.0/14")
"""What a cloud platform offers its own machines at public addresses: Azure's host, and the service endpoints of IBM
Cloud. Source: their network documentation. The others' lie in the ranges above."""
_INTERNAL = re.compile(
    r"(^[^.]+|(^|\.)(localhost|localdomain|local|internal|intranet|private|lan|home|corp|home\.arpa))$"
)
"""Names that a network gives to its own machines: without a dot, or under an ending that the public tree does not have.
Source: RFC 6762 (appendix G), RFC 8375, ICANN's reservation of .internal."""
_NOBODYS = _networks(
    "0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)  # fmt: skip
"""No server has these: this network, documentation, benchmarks, multicast, 6to4, Teredo and its kin, reserved.

Source: the IANA IPv4 and IPv6 special-purpose address registries.
"""
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that has been given out; what lies outside is refused with no need of a name."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address as IPv6-only networks see it, in the last 32 bits. Source: RFC 6052."""


class AddressRefused(NetworkError):
    """A webhook may not connect there."""

    code = "address_refused"


def check_url(url: str, *, allow_private: bool = False) -> tuple[str, int]:
    """Check all of an address that can be checked without looking its name up. Returns host and port.

    https on 443 and nothing else, unless allow_private; never a user name, never a host that programs read differently
    (numbers in other than the usual form, other alphabets, a dot at the end). Raises InputError.
    """
    refused = f"{_shown(url)} cannot be a webhook"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
    except ValueError as error:
        raise InputError(f"{refused}: its port or its brackets are wrong", hint="https://example.com/path") from error
    if parts.scheme not in ("https", "http") or not host or not port:
        raise InputError(f"{refused}: it is not an https address", hint="https://example.com/path")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise InputError(f"{refused}: it has characters that do not belong there", hint="write the xn-- form, and %20")
    if "@" in parts.netloc:
        raise InputError(f"{refused}: it names a user", hint="requests are signed instead: see verify_webhook")
    if not allow_private and (parts.scheme, port) != ("https", 443):
        raise InputError(
            f"{refused}: only https on port 443 is safe", hint="allow_private=True if it is on your network"
        )
    literal = _literal(host)
    if literal is None and (not _NAME.fullmatch(host) or re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.split(".")[-1])):
        raise InputError(f"{refused}: {host!r} is no host name", hint="example.com, 192.0.2.1 or [2001:db8::1]")
    if literal is not None and (why := refusal(literal, allow_private=allow_private)):
        raise InputError(f"{refused}: {why}", hint="allow_private=True if it is on your network")
    if literal is None and not allow_private and _INTERNAL.search(host):
        raise InputError(
            f"{refused}: {host!r} names a machine of a private network", hint="allow_private=True if that is meant"
        )
    return host, port


def refusal(address: Address, *, allow_private: bool = False) -> str:
    """Why nothing may connect to an address; empty if it may."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return refusal(inner, allow_private=allow_private)
    if _within(address, _PLATFORMS):
        return "" if allow_private else f"{address} belongs to a cloud platform"
    if _within(address, _OURS):
        return "" if allow_private else f"{address} is on this machine or its network"
    if _within(address, _NOBODYS) or (address.version == 6 and address not in _GLOBAL_V6):
        return f"{address} is not a public address"
    return ""


def _within(address: Address, networks: Iterable[Any]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _literal(host: str) -> Address | None:
    """A host that is an address in its usual form. A zone, "%eth0", is none."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _shown(url: str) -> str:
    """A URL for a message: without what may be secret, and not without end."""
    return repr(re.sub(r"//[^/@]*@|[?#].*", "…", url, flags=re.DOTALL)[:100])


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, in the system's order of preference; in a thread. Raises NotReachable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise NotReachable(f"{host} has no address: no such host is known") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def safe_addresses(host: str, port: int, *, allow_private: bool, resolve: Resolver = look_up) -> list[str]:
    """Look a host up, once, and check all it has: one bad address refuses it. Raises AddressRefused, NotReachable."""
    literal = _literal(host)
    found = [str(literal)] if literal is not None else await resolve(host, port)
    if not found:
        raise NotReachable(f"{host} has no address")
    for text in found:
        address = _literal(text)
        why = f"{text!r} is no address" if address is None else refusal(address, allow_private=allow_private)
        if why:
            raise AddressRefused(f"{host}: {why}", hint="allow_private=True if it is on your network")
    return list(found)[:MOST_ADDRESSES]
