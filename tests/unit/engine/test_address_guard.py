"""Where a webhook may connect to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import pytest

from patter_cli.engine.address_guard import AddressRefused, check_url, look_up, refusal, safe_addresses
from patter_cli.errors import InputError, NetworkError, NotReachable

PUBLIC = "93.184.215.14"
NAMES = {
    "example.com": [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "intranet": ["10.1.2.3"],
    "metadata.google.internal": ["169.254.169.254"],
    "printer.local": ["fe80::1"],
    "mixed.example.com": [PUBLIC, "127.0.0.1"],
    "mixed6.example.com": [PUBLIC, "::1"],
    "localtest.example.com": ["127.0.0.1"],
    "nat64.example.com": ["64:ff9b::7f00:1"],
    "mapped.example.com": ["::ffff:10.0.0.1"],
    "sixtofour.example.com": ["2002:7f00:1::1"],
    "zone.example.com": ["fe80::1%eth0"],
    "empty.example.com": [],
}


async def like_libc(host: str, port: int) -> list[str]:
    """A resolver that, as libc does, also takes numbers in every form they were ever written in."""
    if host in NAMES:
        return NAMES[host]
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError as error:
        raise NotReachable(f"{host} has no address") from error


REFUSED = [
    # This machine, in all its spellings.
    "https://localhost/", "https://localhost./", "https://LOCALHOST/", "https://a.localhost/", "https://127.0.0.1/",
    "https://127.0.0.1./", "https://127.1/", "https://127.0.1/", "https://127.255.255.254/", "https://2130706433/",
    "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0x7f.1/", "https://0177.0.0.1/", "https://017700000001/",
    "https://127.0.0.01/", "https://0/", "https://0.0.0.0/", "https://[::]/", "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/",
    # Other alphabets and escapes that some program reads as one of them.
    "https://１２７.0.0.1/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://ｌｏｃａｌｈｏｓｔ/", "https://%31%32%37.0.0.1/",
    "https://loc\u00adalhost/", "https://127.0.0.1%00.example.com/", "https://b\u00fccher.example/",
    # Our networks and the clouds' metadata.
    "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://3232235777/",
    "https://169.254.169.254/", "https://169.254.169.254/latest/meta-data/", "https://2852039166/", "https://100.64.0.1/",
    "https://100.127.255.254/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fc00::1]/",
    "https://[fd00:ec2::254]/", "https://intranet/", "https://metadata.google.internal/", "https://printer.local/",
    # Addresses that carry another one, and those of nobody.
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::a00:1]/", "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::1]/",
    "https://[2002:a00:1::]/", "https://[2001:0:7f00:1::]/", "https://192.0.2.1/", "https://198.18.0.1/",
    "https://198.51.100.7/", "https://203.0.113.7/", "https://224.0.0.1/", "https://240.0.0.1/",
    "https://255.255.255.255/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[3fff::1]/",
    "https://[fec0::1]/", "https://192.0.0.8/", "https://192.88.99.1/",
    # Names with a bad address among theirs.
    "https://mixed.example.com/", "https://mixed6.example.com/", "https://localtest.example.com/",
    "https://nat64.example.com/", "https://mapped.example.com/", "https://sixtofour.example.com/",
    "https://zone.example.com/", "https://empty.example.com/",
    # Who, where and how.
    "https://user@example.com/", "https://user:pass@example.com/", "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/", "https://example.com\\@127.0.0.1/", "https://@example.com/",
    "http://example.com/", "https://example.com:22/", "https://example.com:6379/", "https://example.com:0/",
    "https://example.com:99999/", "https://example.com:x/", "http://example.com:80/", "ftp://example.com/",
    "file:///etc/passwd", "gopher://example.com/", "ws://example.com/", "https:///hook", "https://", "//example.com/",
    "example.com", "", "javascript:alert(1)", "https://exa mple.com/", "https://example.com/a b", "https://exam\nple.com/",
    "https://example.com\r\nX-Evil: 1/", "https://example.com/\x00", "https://-example.com/", "https://a..b/",
    "https://" + "a" * 64 + ".com/", "https://" + "a." * 127 + "com/", "https://[::1/", "https://[example.com]/",
    "https://1.2.3.4.5/", "https://256.1.1.1/", "https://example.0x10/",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
async def test_nothing_but_a_public_https_address_is_connected_to(url: str) -> None:
    """Refused by its spelling or by what it resolves to, with no connection made."""

    async def connect() -> None:
        host, port = check_url(url)
        await safe_addresses(host, port, allow_private=False, resolve=like_libc)

    with pytest.raises((InputError, NetworkError)):
        await connect()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://example.com", ("example.com", 443)),
        ("https://EXAMPLE.com:443/hook?a=b%20c#d", ("example.com", 443)),
        ("https://xn--bcher-kva.example/", ("xn--bcher-kva.example", 443)),
        ("https://1.1.1.1/hook", ("1.1.1.1", 443)),
        ("https://[2606:4700:4700::1111]/", ("2606:4700:4700::1111", 443)),
        ("https://[64:ff9b::101:101]/", ("64:ff9b::101:101", 443)),
        ("https://a-b.c_d.4chan.example/", ("a-b.c_d.4chan.example", 443)),
    ],
)
def test_a_public_address_is_fine(url: str, place: tuple[str, int]) -> None:
    """By name or by number, also as an IPv6-only network sees IPv4."""
    assert check_url(url) == place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://127.0.0.1:8000/hook", ("127.0.0.1", 8000)),
        ("http://localhost/hook", ("localhost", 80)),
        ("http://10.1.2.3/", ("10.1.2.3", 80)),
        ("https://[fd00::1]:8443/", ("fd00::1", 8443)),
        ("http://100.64.0.1/", ("100.64.0.1", 80)),
    ],
)
def test_what_is_allowed_on_your_own_network(url: str, place: tuple[str, int]) -> None:
    """Private addresses, any port and plain http, if the author said so."""
    assert check_url(url, allow_private=True) == place


@pytest.mark.parametrize(
    "url", ["http://0.0.0.0/", "http://224.0.0.1/", "http://u@10.0.0.1/", "ftp://10.0.0.1/", "http://127.1/"]
)
def test_what_is_never_allowed(url: str) -> None:
    """Not even on your own network."""
    with pytest.raises(InputError):
        check_url(url, allow_private=True)


async def test_a_name_is_looked_up_once() -> None:
    """What is connected to is what was checked: a second answer, the bad one, is never asked for."""
    answers = [[PUBLIC], ["127.0.0.1"]]

    async def rebinding(host: str, port: int) -> list[str]:
        return answers.pop(0)

    assert await safe_addresses("rebind.example.com", 443, allow_private=False, resolve=rebinding) == [PUBLIC]
    assert answers == [["127.0.0.1"]]
    with pytest.raises(AddressRefused, match=r"rebind\.example\.com: 127\.0\.0\.1 is on this machine"):
        await safe_addresses("rebind.example.com", 443, allow_private=False, resolve=rebinding)


async def test_an_address_is_not_looked_up_at_all() -> None:
    """A number in the URL is checked as it stands."""

    async def never(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    assert await safe_addresses("1.1.1.1", 443, allow_private=False, resolve=never) == ["1.1.1.1"]


async def test_many_addresses_are_all_checked_and_few_are_tried() -> None:
    """One bad one among a hundred refuses the name."""

    def giving(addresses: list[str]) -> Callable[[str, int], object]:
        async def resolve(host: str, port: int) -> list[str]:
            return addresses

        return resolve

    many = [f"93.184.215.{n}" for n in range(1, 101)]
    assert await safe_addresses("a.example", 443, allow_private=False, resolve=giving(many)) == many[:4]  # type: ignore[arg-type]
    with pytest.raises(AddressRefused):
        await safe_addresses("a.example", 443, allow_private=False, resolve=giving([*many, "10.0.0.1"]))  # type: ignore[arg-type]


async def test_the_system_resolves_a_name() -> None:
    """This machine's own name, off the loop; a name that cannot be one is not reachable."""
    assert {"127.0.0.1", "::1"} & set(await look_up("localhost", 80))
    with pytest.raises(NotReachable):
        await look_up("a" * 300, 80)


def test_a_message_shows_no_secret_of_a_url() -> None:
    """Users, passwords and queries stay out of it."""
    with pytest.raises(InputError) as caught:
        check_url("https://user:hunter2@example.com/hook?key=hunter3")
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("network", ["10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "169.254.0.0/16", "224.0.0.0/4"])
def test_a_network_is_refused_to_its_edges(network: str) -> None:
    """Its first and last address, and neither neighbour."""
    whole = ipaddress.ip_network(network)
    assert refusal(whole[0])
    assert refusal(whole[-1])
    assert not refusal(whole[0] - 1)
    assert not refusal(whole[-1] + 1) or network == "224.0.0.0/4"


@pytest.mark.parametrize(
    "address", ["168.63.129.16", "161.26.0.10", "166.9.14.1", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"]
)
def test_a_cloud_platforms_own_addresses_are_refused(address: str) -> None:
    """Also those that lie in public ranges, and inside an IPv4 address that IPv6 carries."""
    assert refusal(ipaddress.ip_address(address))
    if ":" not in address:
        assert refusal(ipaddress.ip_address(f"::ffff:{address}"))
        assert refusal(ipaddress.ip_address("64:ff9b::") + int(ipaddress.ip_address(address)))
    assert not refusal(ipaddress.ip_address("168.63.129.17"))


@pytest.mark.parametrize(
    "host",
    [
        "intranet", "db", "printer.local", "metadata.google.internal", "api.svc.cluster.local", "nas.lan", "box.home",
        "router.home.arpa", "mail.corp", "x.localdomain", "x.intranet", "a.private", "LOCALHOST",
    ],
)  # fmt: skip
def test_names_of_a_private_network_are_refused_unseen(host: str) -> None:
    """Before anything is looked up, unless private ones are allowed."""
    with pytest.raises(InputError, match="private network"):
        check_url(f"https://{host}/hook")
    assert check_url(f"https://{host}/hook", allow_private=True) == (host.lower(), 443)


@pytest.mark.parametrize("host", ["local.example.com", "internal.example.com", "corp.example", "home.example.org"])
def test_public_names_that_sound_private_are_not(host: str) -> None:
    """Only the ending counts."""
    assert check_url(f"https://{host}/hook") == (host, 443)
