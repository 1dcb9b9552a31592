"""A scripted caller in virtual time: the same manners as on a line, see simulate.script, without its sound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.audio.frame import FRAME_MS
from patter_cli.contracts.carrier.stream import StreamCodec, StreamStopped
from patter_cli.errors import InputError, TimedOut
from patter_cli.simulate.script import FIRST_WORD_MS, PARTING_MS, Play, ScriptStep, StepDone, Then
from patter_cli.simulate.steps import StaySilent, WaitFor
from patter_cli.simulate.virtual.line import VirtualLine, spoken_ms
from patter_cli.simulate.virtual.steps import Blurt, Break, Frame, Leave, Mend, Poke, Wait
from patter_cli.simulate.virtual.vendors import Utterance, VirtualEars
from patter_cli.simulate.virtual.world import World
from patter_cli.text.compare import has_words

SETTLE_MS = 700
PATIENCE_MS = 15_000
LONGEST_MS = 90_000
KEY_MS = 200
"""From one key to the next."""


class VirtualCaller:
    """One caller with one script."""

    def __init__(self, world: World, line: VirtualLine, ears: VirtualEars, codec: StreamCodec | None) -> None:
        """codec: reads what a step sends as a frame."""
        self._world = world
        self._line = line
        self._ears = ears
        self._codec = codec
        self._since_ms = 0
        self._first = True
        self._lets_be = False
        """The caller has been silent at their turn: they may go on without having been answered."""
        self._settle_ms = SETTLE_MS

    async def play(
        self,
        steps: Sequence[ScriptStep],
        on_done: Callable[[StepDone], None],
        then: Then | None = None,
    ) -> None:
        """Do all steps, each in its moment, and hang up unless the script does. then: see
        simulate.script.hold_conversation; after words that were waited for it is asked at once. Raises TimedOut as that
        does, InputError for a recording."""
        for step in steps:
            on_done(await self._step(step))
        left = bool(steps) and isinstance(steps[-1], HangUp | Leave)
        mid_reply = False
        while then is not None and not left:
            if not mid_reply:
                await self._wait_for_turn(Say(""))
            if self._line.ended_ms is not None or not (more := await then()):
                break
            for step in more:
                on_done(await self._step(step))
            left, mid_reply = isinstance(more[-1], HangUp | Leave), isinstance(more[-1], WaitFor)
        if self._line.ended_ms is None and not left:
            self._settle_ms = max(SETTLE_MS, PARTING_MS)
            await self._wait_for_turn(HangUp())
            self._line.hang_up()

    async def _step(self, step: ScriptStep) -> StepDone:
        note, began_ms = "", self._world.now
        match step:
            case Interrupt():
                note = await self._wait_to_cut_in(step)
            case Say() | Press() | HangUp():
                await self._wait_for_turn(step)
            case Play(name=name):
                raise InputError(f"{name} is a recording, and nobody hears it here", hint="leave --text out")
            case Wait(ms):
                await self._let_pass(ms)
            case StaySilent(ms):
                await self._wait_for_turn(HangUp())
                await self._let_pass(ms)
                self._lets_be = True
            case WaitFor():
                note = await self._wait_for_words(step)
            case _:
                pass
        if self._line.ended_ms is not None:
            gone = isinstance(step, HangUp | Leave | Mend | Break)
            note = "" if gone else "the agent had ended the call"
            return StepDone(step=step, played=gone, at_ms=self._world.now, began_ms=began_ms, note=note)
        await self._do(step)
        return StepDone(step=step, at_ms=self._world.now, began_ms=began_ms, note=note)

    async def _do(self, step: ScriptStep) -> None:
        world = self._world
        match step:
            case Say(text) | Interrupt(text):
                await self._say(text, spoken_ms(text))
            case Blurt(text, lasts_ms=lasts_ms):
                await self._say(text, spoken_ms(text) if lasts_ms is None else lasts_ms)
            case Press(digits) | Poke(digits):
                for digit in digits:
                    self._line.press(digit)
                    await asyncio.sleep(KEY_MS / 1000)
                self._since_ms, self._first, self._lets_be = world.now, False, False
            case HangUp() | Leave():
                self._line.hang_up()
            case Break(trouble):
                world.broken.add(trouble)
            case Mend(trouble):
                world.broken.discard(trouble)
            case Frame(text) if self._codec is not None:
                message = self._codec.receive(text)
                if isinstance(message, StreamStopped):
                    self._line.close()
                self._line.deliver(message)
            case _:
                pass

    async def _say(self, text: str, lasts_ms: int) -> None:
        said: Utterance = self._ears.hear(text, lasts_ms)
        await self._world.until(lambda: said.end)
        self._line.said()
        self._since_ms, self._first, self._lets_be = said.end, False, False

    async def _let_pass(self, ms: int) -> None:
        due = self._world.now + ms
        await self._world.until(lambda: due if self._line.ended_ms is None else 0)

    # --- its moment ----------------------------------------------------------------------------------------------

    async def _wait_for_turn(self, step: ScriptStep) -> None:
        """Until the agent has answered and is quiet."""

        def moment() -> float | None:
            answered = self._since_ms if self._lets_be else self._answered()
            return None if answered is None else max(answered, self._quiet_since + self._settle_ms)

        await self._wait(step, moment)

    async def _wait_for_words(self, step: WaitFor) -> str:
        """Until they were heard, or the time has passed."""
        until_ms = self._world.now + step.within_ms

        def moment() -> float | None:
            said = self._line.ended_ms is not None or self._said(step.words)
            return 0 if said or self._world.now >= until_ms else min(until_ms, self._world.now + FRAME_MS)

        while (due := moment()) != 0:
            await self._world.until(lambda due=due: due)  # type: ignore[misc]
        if self._said(step.words):
            return ""
        over = self._line.ended_ms is not None
        return "the call was over before it was heard" if over else f"it was not heard within {step.within_ms} ms"

    def _said(self, words: str) -> bool:
        """Whether words have been heard since the caller's last step."""
        return has_words(self._line.heard(self._answer_from, self._world.now), words)

    async def _wait_to_cut_in(self, step: Interrupt) -> str:
        """Until so much of the answer has been heard, or these words, or it stops."""
        note = f"the agent did not say {step.after_words!r}" if step.after_words else "the agent spoke for less"

        def enough() -> int | None:
            if step.after_words:
                return self._world.now if self._said(step.after_words) else None
            return self._line.voiced_for(self._answer_from + FRAME_MS, step.after_ms)

        def moment() -> float | None:
            if (due := enough()) is not None:
                return due
            answered = self._answered()
            over = None if answered is None else max(answered, self._quiet_since) + FRAME_MS
            listens = step.after_words and over is not None and over > self._world.now + FRAME_MS
            return self._world.now + FRAME_MS if listens else over

        await self._wait(step, moment)
        due = enough()
        return "" if due is not None and due <= self._world.now else note

    async def _wait(self, step: ScriptStep, moment: Callable[[], float | None]) -> None:
        world, line = self._world, self._line
        begins = self._first and not isinstance(step, HangUp)
        limit_ms = FIRST_WORD_MS if begins else PATIENCE_MS

        def due() -> float | None:
            if line.ended_ms is not None:
                return 0
            at = moment()
            limits = [self._since_ms + LONGEST_MS]
            if self._answered() is None and not self._lets_be:
                limits.append(int(self._answer_from) + limit_ms)
            return min(limits) if at is None else min(at, *limits)

        await world.until(due)
        at = moment()
        if line.ended_ms is not None or (at is not None and at <= world.now):
            return
        if world.now >= self._since_ms + LONGEST_MS:
            raise TimedOut(
                f"the agent left no moment to speak for {LONGEST_MS / 1000:g} s",
                provider="agent",
                hint="see what it says",
            )
        if not begins:
            raise TimedOut(
                f"the agent said nothing for {limit_ms / 1000:g} s",
                provider="agent",
                hint="see what it was waiting for: run it again with --debug",
            )

    @property
    def _quiet_since(self) -> float:
        return max(self._line.until, self._since_ms, self._rung_until)

    @property
    def _answer_from(self) -> float:
        """What is heard from here on answers us: after our step, what was taken back, a transfer."""
        return max(self._since_ms, self._line.cleared_ms, self._rung_until)

    @property
    def _rung_until(self) -> int:
        """When it rang for a transfer last, or will have."""
        return self._line.rings[-1][1] if self._line.rings else 0

    def _answered(self) -> float | None:
        """When the answer began, or will; None: nothing is known of one."""
        return self._line.voiced_from(self._answer_from + FRAME_MS)
