"""The calls of tests.bench.turns: callers play the corpus over the real wire; and what is known of it afterwards."""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.wav import read_channel
from patter_cli.contracts.carrier.stream import ClearOut
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_journal
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.line import CLEAN, MOBILE, SPEAKERPHONE, LineFilter, LineQuality
from patter_cli.simulate.noise import NoiseKind
from tests.bench.barge_in import Tap, onset_ms
from tests.bench.corpus import Group, Item
from tests.bench.receptionist import wall_ms_now

ITEMS_A_CALL = 10
SETTLE_MS = 500
"""The agent has finished when it was quiet for so long."""
AFTER_MS = 1600
"""How long we watch what something over the agent leads to: the words, the hold, the way back."""
PATIENCE_S = 6.0
GAP_MS = 60
"""Agent audio in this much of a sentence's end is not yet inside it: a frame on its way, and one of judgement."""
PER_REPLY_MS = 3000
"""What must be left of the agent's answer behind something that is said over it."""
PLAIN, CANCELLING = "bench", "bench-cancelling"
"""The bench's agent, without and with echo cancellation."""
NOISY = LineQuality(level_db=-3.0, noise_kind=NoiseKind.BABBLE, noise_db=-42.0, jitter_ms=20)
"""A full café, on a good line."""
KEY_MS = 250
"""By then a key has silenced the agent, and its next speech has not begun."""

SPEECHES = (
    "We are open from Monday to Friday, from nine in the morning until half past five in the afternoon. On Saturday "
    "we open at ten and close at two. You can come without an appointment, but then you may have to wait a little. "
    "If you bring your insurance card, we can settle the bill directly with them. The entrance is next to the post "
    "office, and there is free parking behind the building. Please ring the bell at the second door on the left.",
    "Your order left our warehouse on Thursday evening, and it should reach you at the beginning of next week. The "
    "driver will call you about an hour before he arrives. He can carry the machine to the first floor, and he takes "
    "the old one with him if you wish. Please check the box for damage while he is still with you. You can return "
    "everything within thirty days, and we send you the money as soon as it is back with us.",
    "The check-up takes about half an hour and costs sixty dollars. The dentist looks at every tooth, takes a picture "
    "if something is not clear, and then talks with you about what should be done. Cleaning is not included, but you "
    "can book it for the same morning. If you are in pain, tell us when you arrive, because then we start with that. "
    "Most people pay by card, and the receipt comes by email on the same day.",
)
"""Some twenty seconds each: what the agent says when a key is pressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An item in a call; call time of the caller's side, ms."""

    item: Item
    start_ms: float
    first_ms: float
    last_ms: float
    """First and last voiced sample of its sound."""
    until_ms: float
    """How long it was watched."""
    answered_ms: float | None


@dataclass(slots=True, kw_only=True)
class Call:
    """One call and what is known of it afterwards."""

    name: str
    items: Sequence[Item]
    recording: Path
    happened: list[Happened] = field(default_factory=list)
    zero: float = 0.0
    """Wall time of call time 0, ms."""
    cleared_ms: list[float] = field(default_factory=list)
    """When clears arrived."""
    entries: list[Entry] = field(default_factory=list)
    agent: Samples = field(default_factory=lambda: np.zeros(0, np.int16))
    """What the ear got, 8 kHz."""


def _quality(item: Item) -> LineQuality:
    """The item's line."""
    if item.echo_db:
        return LineQuality(echo_delay_ms=item.echo_delay_ms, echo_db=item.echo_db)
    return {"clean": CLEAN, "mobile": MOBILE, "noisy": NOISY, "speakerphone": SPEAKERPHONE}[item.line]


class _Script:
    """Plays a call's items."""

    def __init__(self, call: Call, urls: Mapping[str, str], speech_ms: Sequence[int]) -> None:
        self._call = call
        self._tap = Tap()
        self._caller = LineCaller(
            urls[CANCELLING if call.items[0].cancelled else PLAIN],
            self._tap,
            parameters={"bench": call.name},
            record_to=call.recording,
            line=LineFilter(_quality(call.items[0]), seed=zlib.crc32(call.items[0].name.encode())),
        )
        self._speech_ms = speech_ms
        self._speech = 0
        self._whole_ms = 0.0
        """How much voice the speech under way has."""
        self._asked_ms = 0.0
        self._began_ms = 0
        """How much had been heard when it began."""

    async def play(self) -> None:
        caller, call = self._caller, self._call
        async with caller:
            call.zero = wall_ms_now(caller.now_ms)
            await self._pass_ms(300)
            for item in call.items:
                if item.group in (Group.TURN, Group.PAUSE):
                    await self._turn(item)
                else:
                    await self._over(item)
                if caller.ended is not None:
                    break
        call.cleared_ms = [at - call.zero for at, message in self._tap.came if isinstance(message, ClearOut)]

    async def _turn(self, item: Item) -> None:
        """Say it when the agent is quiet, and wait for the answer."""
        caller = self._caller
        await self._until_quiet()
        index = len(caller.mouth.said)
        said = caller.say(item.sound)
        await caller.wait_for(lambda: caller.now_ms >= said.end_ms)
        await caller.wait_for(lambda: self._heard_after(said.last_voiced_ms), PATIENCE_S)
        await self._until_quiet()
        self._note(item, index, caller.mouth.answered_ms[index])

    async def _over(self, item: Item) -> None:
        """Say it over the agent's speech."""
        caller = self._caller
        needed_ms = item.after_ms + len(item.sound) // 8 + PER_REPLY_MS
        spoken_ms = caller.ear.voiced_ms - self._began_ms
        # After a clear we cannot know whether it is still the speech that we hear.
        whole = caller.ear.talking and (caller.cleared_ms or 0.0) < self._asked_ms
        if not whole or self._whole_ms - spoken_ms < needed_ms:
            await self._start_speech()
        voiced_ms = caller.ear.voiced_ms
        await caller.wait_for(lambda: caller.ear.voiced_ms >= voiced_ms + item.after_ms, PATIENCE_S)
        index = len(caller.mouth.said)
        said = caller.say(item.sound)
        await caller.wait_for(lambda: caller.now_ms >= said.end_ms)
        if item.group is Group.INTERRUPTION:
            await caller.wait_for(lambda: caller.mouth.answered_ms[index] is not None, PATIENCE_S)
        else:
            await self._pass_ms(AFTER_MS)
        self._note(item, index, caller.mouth.answered_ms[index])
        if item.group is Group.INTERRUPTION:
            await self._until_quiet()

    async def _start_speech(self) -> None:
        """Press a key: whatever is being said, the agent begins another speech."""
        caller = self._caller
        self._speech += 1
        self._whole_ms = self._speech_ms[self._speech % len(SPEECHES)]
        caller.press(str(self._speech % len(SPEECHES)))
        await self._pass_ms(KEY_MS)
        self._asked_ms, self._began_ms = caller.now_ms, caller.ear.voiced_ms
        await caller.wait_for(lambda: caller.ear.voiced_ms > self._began_ms, PATIENCE_S)

    def _note(self, item: Item, index: int, answered_ms: float | None) -> None:
        said = self._caller.mouth.said[index]
        self._call.happened.append(
            Happened(
                item=item,
                start_ms=said.start_ms,
                first_ms=said.start_ms + onset_ms(item.sound) if np.any(item.sound) else said.start_ms,
                last_ms=said.last_voiced_ms,
                until_ms=self._caller.now_ms - 2 * FRAME_MS,  # what we do next may seem earlier by the server's clock
                answered_ms=answered_ms,
            )
        )

    def _heard_after(self, at_ms: float) -> bool:
        return (self._caller.ear.last_voiced_ms or 0) > at_ms + GAP_MS

    async def _until_quiet(self) -> None:
        caller = self._caller
        await caller.wait_for(lambda: caller.quiet_ms >= SETTLE_MS, 40.0)

    async def _pass_ms(self, ms: float) -> None:
        await self._caller.wait_for(lambda: False, ms / 1000)


def calls_of(items: Sequence[Item], place: Path, *, items_a_call: int = ITEMS_A_CALL) -> list[Call]:
    """Items of the same line and kind of line gathered into calls."""
    lines: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for item in items:
        over = item.group not in (Group.TURN, Group.PAUSE)
        lines[
            item.line, item.echo_delay_ms, item.echo_db, item.cancelled, over, item.group is Group.INTERRUPTION
        ].append(item)
    calls: list[Call] = []
    for some in lines.values():
        for at in range(0, len(some), items_a_call):
            name = f"{len(calls):03}-{some[at].group.name.lower()}-{some[at].line}"
            calls.append(Call(name=name, items=some[at : at + items_a_call], recording=place / f"{name}.wav"))
    return calls


async def hold(calls: Sequence[Call], urls: Mapping[str, str], speech_ms: Sequence[int], *, at_once: int) -> None:
    """Hold the calls, so many at the same time."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await _Script(call, urls, speech_ms).play()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())


async def read_back(calls: Sequence[Call], folder: Path) -> None:
    """Fill in what server and line wrote of the calls."""
    by_name = {call.name: call for call in calls}
    for _ in range(100):
        if all(call.entries for call in calls):
            break
        await asyncio.sleep(0.05)
        for path in folder.rglob("record.json"):
            entries = list(parse_journal((path.parent / "journal.jsonl").read_text("utf-8")))
            began = next(each.event for each in entries if isinstance(each.event, fact.CallConnected))
            call = by_name.get(began.parameters.get("bench", ""))
            if call is not None:
                call.entries = entries
    for call in calls:
        assert call.entries, f"no journal of {call.name}"
        call.agent, _ = read_channel(call.recording, 1)
