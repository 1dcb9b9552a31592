"""Patter(...): its keywords, checked when they are written, before anything listens or rings."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from patter_cli import (
    CloudflareTunnel,
    ConfigError,
    EmbeddedServer,
    InputError,
    LocalConfig,
    NgrokTunnel,
    Patter,
    Telnyx,
    Twilio,
)
from patter_cli.errors import BadSetting, UnknownProvider
from patter_cli.local_config import OWN


def test_the_documented_keywords_in_their_order() -> None:
    """They may be given without their names, as older files do."""
    names = [name for name in inspect.signature(Patter).parameters if name != "older"]
    assert names == list(OWN)
    serve = list(inspect.signature(Patter.serve).parameters)[1:]
    assert serve[:12] == [
        *("agent", "port", "recording", "on_call_start", "on_call_end", "on_transcript", "on_message", "on_metrics"),
        *("voicemail_message", "dashboard", "dashboard_token", "tunnel"),
    ]
    call = inspect.signature(Patter.call).parameters
    assert list(call)[1:] == [
        *("to", "agent", "first_message", "from_number", "machine_detection", "on_machine_detection"),
        *("voicemail_message", "ring_timeout", "variables", "wait"),
    ]
    assert call["ring_timeout"].default == 25
    assert list(inspect.signature(Twilio).parameters)[:2] == ["account_sid", "auth_token"]
    assert list(inspect.signature(Telnyx).parameters)[:4] == ["api_key", "connection_id", "public_key", "codec"]
    assert list(inspect.signature(EmbeddedServer).parameters) == ["config", "agent", "recording", "voicemail_message"]
    assert LocalConfig().require_signature


@pytest.mark.parametrize(
    ("keywords", "error", "said", "hint"),
    [
        ({"phone_number": "4155550123"}, InputError, "'4155550123' is no phone number", "+14155550123"),
        ({"phone_number": "+1 415 555 0123"}, InputError, "no phone number", "+14155550123"),
        ({"phone_number": 14155550123}, InputError, "14155550123 is no phone number", "+14155550123"),
        ({"webhook_url": "https://phone.example/voice"}, BadSetting, "no public host", "without a path"),
        ({"webhook_url": 8000}, BadSetting, "8000 is no public host", "phone.example.com"),
        ({"carrier": "twilio"}, InputError, "'twilio' is no carrier", "carrier=Twilio()"),
        ({"carrier": Twilio}, InputError, "is no carrier", "carrier=Twilio()"),
        ({"pricing": {"twilio": {"minutes": 1}}}, InputError, "nothing is charged by 'minutes'", "minute"),
        (
            {"tunnel": CloudflareTunnel(), "webhook_url": "a.example"},
            ConfigError,
            "webhook_url and a tunnel",
            "leave one",
        ),
        ({"tunnel": CloudflareTunnel}, InputError, "is no tunnel", "CloudflareTunnel()"),
        ({"tunnel": 8000}, InputError, "8000 is no tunnel", "CloudflareTunnel()"),
        ({"tunnel": "cloudflare"}, UnknownProvider, "no tunnel is called 'cloudflare'", "cloudflared"),
        ({"tunnel": True, "require_signature": False}, BadSetting, "lets anybody call in", "leave one"),
        ({"webhook_url": "phone.example", "require_signature": False}, BadSetting, "lets anybody call in", "leave one"),
    ],
)
def test_what_is_wrong_is_said_by_the_constructor(
    keywords: dict[str, Any], error: type[Exception], said: str, hint: str
) -> None:
    """A number, a host, a carrier, a price; and signatures are not given up where anybody could call."""
    with pytest.raises(error) as raised:
        Patter(**keywords)
    assert said in str(raised.value)
    assert hint in getattr(raised.value, "hint", "")


def test_a_carrier_and_older_keys_exclude_each_other() -> None:
    """Which of the two is meant, nobody could say."""
    with pytest.raises(ConfigError, match="a carrier and keys of telnyx"):
        Patter(Twilio("AC1", "t"), telnyx_key="KEY1", telnyx_connection_id="1")


def test_a_host_is_taken_as_people_write_it() -> None:
    """With or without scheme, in any case."""
    for written in ("phone.example", "https://phone.example", "wss://Phone.Example/"):
        assert Patter(webhook_url=written)._public_host == "phone.example"


def test_a_tunnel_as_people_name_it() -> None:
    """The thing itself, its name, or just that there is to be one."""
    given = CloudflareTunnel(open_s=5.0)
    assert Patter(tunnel=given)._tunnel is given
    assert Patter(tunnel=True)._tunnel == Patter(tunnel="cloudflared")._tunnel == CloudflareTunnel()
    assert Patter(tunnel="ngrok")._tunnel == NgrokTunnel()
    for none in (None, False):
        assert Patter(tunnel=none, webhook_url="phone.example")._tunnel is None
