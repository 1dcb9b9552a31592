"""Calls followed as they happen, by their journals: whichever server holds them, and also when it starts again."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable

from patter_cli.contracts.store import CallStore
from patter_cli.core.events import LineUsed
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.errors import InputError
from patter_cli.observe.happenings import Happenings
from patter_cli.observe.lines import TranscriptLines
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_line

LOOK_S = 0.2
"""How long something may have happened before it is shown; a look at 1,000 calls of a day takes 2 ms."""


class Tail:
    """What of the followed calls is printed. `look` takes what is new; it may be called at any time."""

    def __init__(self, store: CallStore, *, agent: str | None, masked: bool, as_json: bool) -> None:
        """agent: only this one's calls. What happened on live calls before now is not printed again."""
        self._follow = store.follow()
        self._agent = agent
        self._masked = masked
        self._as_json = as_json
        self._happenings: dict[str, Happenings] = {}
        self._plain = TranscriptLines(io.StringIO(), named=True)
        self._silent = True
        self.look()  # what went before: lines that come now may go on with it
        self._silent = False
        self._plain.out = sys.stdout

    def look(self) -> int:
        """Print what is new; how many entries that was."""
        seen = 0
        for call_id, line in self._follow.lines():
            try:
                text = redacted_line(line.encode(), Redaction.NUMBERS).decode() if self._masked else line
                entry = parse_entry(text)
            except InputError:
                continue  # damaged, or a newer version's
            seen += 1
            self._take(call_id, entry)
        return seen

    def _take(self, call_id: str, entry: Entry) -> None:
        call = self._happenings.setdefault(call_id, Happenings(call_id))
        facts = list(call.feed(entry))
        if self._agent is not None and call.agent != self._agent:
            return
        if not self._as_json:
            self._plain(call_id, entry)
        for each in facts if self._as_json and not self._silent else ():
            print(json.dumps(each), flush=True)
        if isinstance(entry.event, LineUsed):  # the last that comes of a call
            self._happenings.pop(call_id, None)


def tail(
    store: CallStore,
    *,
    agent: str | None,
    masked: bool,
    as_json: bool,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Print what happens on calls, until somebody ends it."""
    followed = Tail(store, agent=agent, masked=masked, as_json=as_json)
    while True:
        followed.look()
        wait(LOOK_S)
