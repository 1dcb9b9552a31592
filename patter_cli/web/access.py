"""Who may look: one token, links that sign a browser in once, and cookies that are good for as long as a shift.

    Authorization: Bearer TOKEN              programs, on every path
    GET /dashboard/sign-in?code=CODE         a browser, once for each code: answered with a cookie and a redirect
    Cookie: patter_PORT=EXPIRY.NONCE.MAC     from then on; signed, so nothing is kept of it here

The token is never shown: a link has a code in its place, which is worth nothing once it was used. What is compared is
compared in constant time. Whoever is wrong too often waits, and is refused meanwhile even with what is right: else the
limit would be none for who guesses. Cookies are not counted, since an old one comes with every picture of a page.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Final

TOKEN_BYTES: Final = 32
MIN_TOKEN_CHARS: Final = 16
"""A shorter one can be guessed in time."""
SESSION_S: Final = 12 * 3600
CODE_S: Final = 24 * 3600
CODES: Final = 16
"""Links that are good at the same time; the oldest make room."""
WRONG_TRIES: Final = 5
WRONG_S: Final = 60.0
"""So many wrong tokens or codes within so long, from one side, and it waits."""
SIDES: Final = 1000
"""So many sides are remembered."""


class Access:
    """One server's. Times are Unix seconds; `side` is who asks, an IP address."""

    def __init__(self, token: str = "") -> None:
        """token: "" makes one that nobody knows, which lives as long as this process."""
        self._token = token or secrets.token_urlsafe(TOKEN_BYTES)
        self._key = hashlib.sha256(b"patter dashboard session\0" + self._token.encode("utf-8", "replace")).digest()
        self._codes: OrderedDict[bytes, float] = OrderedDict()
        """Hashes of codes -> until when they are good."""
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Nonces of sessions that somebody signed out of."""

    @property
    def scope(self) -> str:
        """Equal for all servers with this token, and nothing that leads back to it."""
        return hashlib.sha256(b"patter requests\0" + self._token.encode("utf-8", "replace")).hexdigest()

    def new_code(self, now_s: float) -> str:
        """What a link carries to sign one browser in."""
        code = secrets.token_urlsafe(24)
        self._codes[_hash(code)] = now_s + CODE_S
        while len(self._codes) > CODES:
            self._codes.popitem(last=False)
        return code

    def redeem(self, code: str, side: str, now_s: float) -> str | None:
        """A session for a code, which is good no more; None for one that is not."""
        until = self._codes.pop(_hash(code), 0.0)
        if now_s < until:
            return self.new_session(now_s)
        self._note_wrong(side, now_s)
        return None

    def new_session(self, now_s: float) -> str:
        """A cookie's value."""
        facts = f"{int(now_s) + SESSION_S}.{secrets.token_hex(8)}"
        return f"{facts}.{self._mac(facts)}"

    def is_session(self, value: str, now_s: float) -> bool:
        """Whether a cookie signs its browser in."""
        facts, _, mac = value.rpartition(".")
        until, _, nonce = facts.partition(".")
        right = hmac.compare_digest(self._mac(facts).encode(), mac.encode("utf-8", "replace"))
        return right and until.isdigit() and now_s < int(until) and nonce not in self._ended

    def end_session(self, value: str, now_s: float) -> None:
        """Somebody signs out; what is no session is fine."""
        if self.is_session(value, now_s):
            self._ended[value.split(".")[1]] = None
            if len(self._ended) > SIDES:
                self._ended.popitem(last=False)

    def is_token(self, given: str, side: str, now_s: float) -> bool:
        """Whether it is the token; a wrong one counts."""
        right = hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode("utf-8", "replace"))
        if not right:
            self._note_wrong(side, now_s)
        return right

    def waits_s(self, side: str, now_s: float) -> int:
        """For how long this side's tokens and codes are not looked at, in whole seconds; 0: they are."""
        recent = [each for each in self._wrong.get(side, ()) if now_s - each < WRONG_S]
        return int(recent[0] + WRONG_S - now_s) + 1 if len(recent) >= WRONG_TRIES else 0

    def _note_wrong(self, side: str, now_s: float) -> None:
        recent = [each for each in self._wrong.pop(side, ()) if now_s - each < WRONG_S]
        self._wrong[side] = [*recent, now_s][-WRONG_TRIES:]
        if len(self._wrong) > SIDES:
            self._wrong.popitem(last=False)

    def _mac(self, facts: str) -> str:
        return hmac.new(self._key, facts.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _hash(code: str) -> bytes:
    """Looked up by its hash, so that no comparison tells how much of a guess was right."""
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
