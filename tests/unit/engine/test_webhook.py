"""Webhooks, as far as they need no network: signatures and pauses."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from patter_cli.engine.webhook import BACKOFF_S, pause_s, retry_after_s, sign, verify_webhook

BODY = b'{"tool": "book"}'
AT = 1_893_456_000
HEADERS = {"x-patter-timestamp": str(AT), "X-Patter-Signature": sign("secret", str(AT), BODY)}


def test_a_signature_is_one_hmac() -> None:
    """Any language can check it from the description alone."""
    expected = hmac.new(b"secret", f"{AT}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert sign("secret", str(AT), BODY) == f"v1={expected}"


@pytest.mark.parametrize("late_s", [0, 299, -299])
def test_a_signed_request_is_ours(late_s: int) -> None:
    """Whatever the case of its headers, for five minutes either way."""
    assert verify_webhook("secret", HEADERS, BODY, now_s=AT + late_s)


@pytest.mark.parametrize(
    ("secret", "headers", "body", "late_s"),
    [
        ("other", HEADERS, BODY, 0),
        ("", HEADERS, BODY, 0),
        ("secret", HEADERS, BODY + b" ", 0),
        ("secret", HEADERS, BODY, 301),
        ("secret", HEADERS, BODY, -301),
        ("secret", {}, BODY, 0),
        ("secret", {**HEADERS, "x-patter-timestamp": str(AT + 1)}, BODY, 0),
        ("secret", {**HEADERS, "x-patter-timestamp": ""}, BODY, 0),
        ("secret", {**HEADERS, "x-patter-timestamp": "²"}, BODY, 0),
        ("secret", {**HEADERS, "x-patter-timestamp": "9" * 10_000}, BODY, 0),
        ("secret", {**HEADERS, "X-Patter-Signature": ""}, BODY, 0),
        ("secret", {**HEADERS, "X-Patter-Signature": "v1=ü"}, BODY, 0),
        ("secret", {**HEADERS, "X-Patter-Signature": HEADERS["X-Patter-Signature"][:-1]}, BODY, 0),
    ],
)
def test_anything_else_is_not(secret: str, headers: dict[str, str], body: bytes, late_s: int) -> None:
    """A changed bit, an old request, garbage in a header: False, and never an exception."""
    assert not verify_webhook(secret, headers, body, now_s=AT + late_s)


def test_pauses_grow_and_differ() -> None:
    """The second is twice the first, each is spread around its mean, and a back-end's own wish counts if longer."""
    assert [pause_s(n, None, 0.5) for n in (1, 2)] == [BACKOFF_S, 2 * BACKOFF_S]
    assert pause_s(1, None, 0) == BACKOFF_S / 2
    assert pause_s(1, 2.0, 0.5) == 2.0
    assert pause_s(1, 0.01, 0.5) == BACKOFF_S


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("Tue, 01 Jan 2030 00:00:07 GMT", 7.0),
        ("Tue, 01 Jan 2020 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("1e999", None),
        ("1" * 5000, None),
        ("Tue, 99 Foo 2030", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float | None) -> None:
    """Seconds or a date; anything else is as if it had not been said."""
    assert retry_after_s({"retry-after": value}, now_s=AT) == seconds
