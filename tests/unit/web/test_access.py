"""Who may look: tokens, links that work once, cookies that end, and guesses that cost time."""

from __future__ import annotations

from patter_cli.web.access import CODE_S, CODES, SESSION_S, SIDES, WRONG_S, WRONG_TRIES, Access

NOW_S = 1_790_000_000.0
TOKEN = "a-token-that-nobody-guesses"


def test_the_token_is_the_only_one() -> None:
    """The right one passes; one that is nearly right, empty or of other letters does not."""
    access = Access(TOKEN)
    assert access.is_token(TOKEN, "a", NOW_S)
    for wrong in ("", TOKEN[:-1], f"{TOKEN} ", TOKEN.upper(), "\ud800", "ü" * 40):
        assert not access.is_token(wrong, wrong or "b", NOW_S)


def test_without_one_each_server_makes_its_own() -> None:
    """Nobody gave a token: an empty one is none, and two servers do not know each other's sessions."""
    one, other = Access(), Access()
    assert not one.is_token("", "a", NOW_S)
    assert not other.is_session(one.new_session(NOW_S), NOW_S)


def test_a_link_signs_in_once() -> None:
    """Its code gives a session and is gone; after a day it is gone anyhow."""
    access = Access(TOKEN)
    session = access.redeem(code := access.new_code(NOW_S), "a", NOW_S)
    assert session is not None
    assert access.is_session(session, NOW_S)
    assert access.redeem(code, "a", NOW_S) is None
    assert access.redeem(access.new_code(NOW_S), "a", NOW_S + CODE_S) is None


def test_old_links_make_room() -> None:
    """Whoever asks for links again and again keeps the last ones."""
    access = Access(TOKEN)
    codes = [access.new_code(NOW_S) for _ in range(CODES + 1)]
    assert access.redeem(codes[0], "a", NOW_S) is None
    assert access.redeem(codes[1], "a", NOW_S) is not None


def test_a_session_ends() -> None:
    """By its time, by signing out, and for whoever changes a letter of it."""
    access = Access(TOKEN)
    session = access.new_session(NOW_S)
    assert access.is_session(session, NOW_S + SESSION_S - 1)
    assert not access.is_session(session, NOW_S + SESSION_S)
    until, nonce, mac = session.split(".")
    for forged in (f"{int(until) + 9}.{nonce}.{mac}", f"{until}.{nonce}.", f"{until}.{nonce}", "", "..", "\ud800"):
        assert not access.is_session(forged, NOW_S)
    access.end_session(session, NOW_S)
    assert not access.is_session(session, NOW_S)
    assert access.is_session(access.new_session(NOW_S), NOW_S)


def test_a_session_outlives_a_server_with_a_given_token() -> None:
    """Started again with the same token, it knows the browsers that had signed in."""
    assert Access(TOKEN).is_session(Access(TOKEN).new_session(NOW_S), NOW_S)
    assert not Access(f"{TOKEN}2").is_session(Access(TOKEN).new_session(NOW_S), NOW_S)


def test_who_guesses_waits() -> None:
    """Five wrong tokens or codes within a minute, and that side waits; others do not, and a minute later it is over."""
    access = Access(TOKEN)
    for number in range(WRONG_TRIES):
        assert not access.waits_s("a", NOW_S + number)
        if number % 2:
            access.is_token("wrong", "a", NOW_S + number)
        else:
            access.redeem("wrong", "a", NOW_S + number)
    assert access.waits_s("a", NOW_S + WRONG_TRIES) == WRONG_S - WRONG_TRIES + 1
    assert not access.waits_s("b", NOW_S + WRONG_TRIES)
    assert not access.waits_s("a", NOW_S + WRONG_S)


def test_many_sides_take_no_memory() -> None:
    """Guesses from thousands of addresses are remembered for the last ones only."""
    access = Access(TOKEN)
    for number in range(3 * SIDES):
        access.is_token("wrong", str(number), NOW_S)
    assert len(access._wrong) == SIDES
