"""What vendors' refusals stand for, and where their connections live."""

import asyncio
import json
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from patter_cli.errors import (
    BadReply,
    BadSetting,
    NoCredit,
    NotOffered,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from patter_cli.providers import http
from patter_cli.providers.http import checked_url, error_inside, pooled_client, refusal, retry_after_s, translated

NOW_S = 1_800_000_000.0


ACME = http.Server(
    provider="acme",
    base_url="https://api.acme.test/v1",
    key="sk-secret",
    key_name="ACME_API_KEY",
    key_hint="export ACME_API_KEY=...",
)


def refused(status: int, body: Any) -> ProviderError:
    """The error for a body, which is put into JSON unless it is bytes."""
    return refusal(ACME, status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "20"}, 0.02),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": formatdate(NOW_S + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW_S - 30, usegmt=True)}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Mon, 99 Foo 20266 99:99:99"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """In seconds from now, never before now, and not at all if it cannot be told."""
    assert retry_after_s(headers, now_s=NOW_S) == seconds


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "too\nlong  a\tprompt"}}, "too long a prompt"),
        ({"error": "no such model"}, "no such model"),
        ({"object": "error", "message": "no parser"}, "no parser"),
        ({"detail": [{"loc": ["body"], "msg": "missing"}]}, "missing"),
        ({"error": {"message": "half a letter \ud83d"}}, "half a letter"),
        ({"error": {"message": "x" * 5000}}, "x" * 300),
        ({"error": {"message": None}}, "400"),
        (b"<html>", "400"),
        (b"\xff", "400"),
    ],
)
def test_the_vendor_is_quoted(body: Any, words: str) -> None:
    """On one line, not at length, and in whatever place it put its words."""
    error = refused(400, body)
    assert isinstance(error, BadReply)
    assert words in str(error)
    assert len(str(error)) < 400
    assert str(error).isprintable()


def test_a_bad_key_names_its_variable_and_not_itself() -> None:
    """Also when the vendor repeats it."""
    error = refused(401, {"error": {"message": "Incorrect API key provided: sk-secret"}})
    assert isinstance(error, Unauthorized)
    assert "ACME_API_KEY" in str(error)
    assert "export ACME_API_KEY=" in error.hint
    assert "sk-secret" not in f"{error!r}{error.hint}{ACME!r}"


@pytest.mark.parametrize("before", range(285, 301))
def test_a_piece_of_a_key_is_a_key(before: int) -> None:
    """Cutting long words short does not cut the key out of its disguise."""
    assert "sk-" not in str(refused(400, {"error": {"message": "x" * before + "sk-secret"}}))


@pytest.mark.parametrize("status", [401, 402, 403])
def test_an_empty_account_is_no_bad_key(status: int) -> None:
    """ElevenLabs says it with a 401, whose body names it."""
    body = {"detail": {"status": "quota_exceeded", "message": "3 credits left, 40 needed"}}
    error = refused(status, body)
    assert isinstance(error, NoCredit)
    assert "3 credits left" in str(error)
    assert "ACME_API_KEY" not in f"{error}{error.hint}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """A key is not sent where nobody told us to."""
    assert "base_url" in refused(status, b"").hint


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("whatever", Unavailable),
        ({"message": "whatever"}, Unavailable),
        ({"type": "server_error"}, Unavailable),
        ({"code": 502}, Unavailable),
        ({"code": 504}, TimedOut),
        ({"code": 429}, RateLimited),
        ({"code": "rate_limit_exceeded"}, RateLimited),
        ({"type": "insufficient_quota"}, NoCredit),
        ({"type": "invalid_request_error"}, BadReply),
        ({"code": "invalid_api_key"}, Unauthorized),
        ({"code": "account_deactivated"}, Unauthorized),
        ({"code": "billing_hard_limit_reached"}, NoCredit),
        ({"code": "model_not_found"}, NotOffered),
        ({"code": 7}, Unavailable),
        (7, Unavailable),
        (["x"], Unavailable),
    ],
)
def test_an_error_inside_a_reply_has_its_class(error: Any, kind: type[ProviderError]) -> None:
    """By a numeric code, or by what it is called; what is not known may pass."""
    found = error_inside(ACME, error)
    assert type(found) is kind


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ConnectTimeout("x"), TimedOut),
        (TimeoutError(), TimedOut),
        (httpx.ConnectError("x"), Unavailable),
        (httpx.ReadError(""), Unavailable),
        (httpx.RemoteProtocolError("x"), Unavailable),
        (ConnectionResetError(), Unavailable),
    ],
)
def test_no_library_error_goes_further(raised: Exception, kind: type[ProviderError]) -> None:
    """What httpx or a socket raises is named by its class, with its cause."""
    with pytest.raises(ProviderError, match=r"api\.acme\.test") as error, translated(ACME):
        raise raised
    assert type(error.value) is kind
    assert error.value.__cause__ is raised


@pytest.mark.parametrize("url", ["http://localhost:11434/v1", "https://api.acme.test/v1/", "http://[::1]:8080/v1"])
def test_addresses(url: str) -> None:
    """With or without a slash at the end."""
    assert checked_url(url, "base_url") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.acme.test/v1",
        "ftp://acme.test",
        "http://",
        "http:///v1",
        "http://a..b/v1",
        f"http://{'a' * 64}/",
        "http://[::1/v1",
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://me:secret@host/v1",
        "http://host/v1?key=secret",
        "http://host/v1#secret",
        "http://ho st/v1",
        "http://host/v1\n",
        "http://hôst/v1",
    ],
)
def test_what_is_no_address(url: str) -> None:
    """It is found when the model is made, and not repeated: a password may be in it."""
    with pytest.raises(BadSetting, match="base_url") as raised:
        checked_url(url, "base_url")
    assert "secret" not in str(raised.value)


def test_a_client_lives_as_long_as_its_loop() -> None:
    """One for all who ask at once, another in the next loop, none when the loops are gone."""

    async def ask() -> list[httpx.AsyncClient]:
        return await asyncio.gather(*(pooled_client() for _ in range(5)))

    clients = [asyncio.run(ask()) for _ in range(2)]
    for asked in clients:
        assert all(each is asked[0] for each in asked)
        assert asked[0].is_closed
    assert clients[0][0] is not clients[1][0]
    assert not http._POOLS


async def test_vendors_cannot_leave_cookies() -> None:
    """Nothing is carried from one call to another."""
    client = await pooled_client()
    request = client.build_request("GET", "http://acme.test/")
    client.cookies.extract_cookies(httpx.Response(200, headers={"set-cookie": "a=b"}, request=request))
    assert not client.cookies


@pytest.mark.parametrize(("variable", "value"), [("SSL_CERT_FILE", "/no/such/file"), ("HTTPS_PROXY", "gopher://x")])
async def test_a_bad_environment_is_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates and proxies come from the environment, and so do their mistakes."""
    monkeypatch.setenv(variable, value)
    http._tls.cache_clear()
    with pytest.raises(BadSetting) as raised:
        await pooled_client()
    assert variable in raised.value.hint
