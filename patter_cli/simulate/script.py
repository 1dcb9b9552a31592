"""A scripted caller: says its lines when a polite person would, or cuts in when told to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias

import numpy as np

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wav import read_wav
from patter_cli.contracts.tts import TextToSpeech, whole_clause
from patter_cli.errors import InputError, TimedOut
from patter_cli.simulate.caller import RATE_HZ, LineCaller
from patter_cli.simulate.mouth import SaidAudio
from patter_cli.simulate.steps import LISTENS, StaySilent, Wait, WaitFor
from patter_cli.simulate.steps import Play as Play
from patter_cli.simulate.steps import ScriptStep as ScriptStep
from patter_cli.simulate.virtual.steps import VirtualStep
from patter_cli.text.compare import has_words
from patter_cli.text.pronounce import pronounceable

FIRST_WORD_MS = 4000
"""A caller whom nobody greets says something after so long."""

PARTING_MS = 1500
"""Who has nothing more to say leaves the other so much quiet to hang up. An agent that has said goodbye listens for
400 ms (core.turns.LISTEN_MS) after a voice whose last sound may be 400 ms before its end."""

_KEY_S = 0.2
"""From one key to the next: a hundred milliseconds of tone and as much of pause."""


Voice: TypeAlias = Callable[[str], Awaitable[Samples]]
"""Text to int16 samples at 8 kHz."""

Heard: TypeAlias = Callable[[float], str]
"""The agent's words that have reached the ear, of what began at this call time, ms, or later."""


Then: TypeAlias = Callable[[], Awaitable[Sequence[ScriptStep]]]
"""What is done once a script is at its end; nothing: the caller has had enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """What became of a step."""

    step: ScriptStep
    played: bool = True
    at_ms: float = 0.0
    """Call time at which it was done: the last voiced sample, or the last key."""
    began_ms: float = 0.0
    """Call time at which it was begun: the step before was over."""
    said: SaidAudio | None = None
    """Its place in the call, if it was speech."""
    note: str = ""
    """What did not go as written."""

    @property
    def listens(self) -> bool:
        """Nothing was said or pressed."""
        return isinstance(self.step, LISTENS)


async def hold_conversation(
    caller: LineCaller,
    steps: Sequence[ScriptStep],
    voice: Voice,
    *,
    settle_ms: int = 700,
    patience_s: float = 15.0,
    longest_s: float = 90.0,
    on_done: Callable[[StepDone], None] = lambda done: None,
    heard: Heard | None = None,
    then: Then | None = None,
) -> list[StepDone]:
    """Dial, play the script to its end, hang up; whatever happens, the call is over afterwards.

    All lines are spoken to memory before the call, so that the voice takes nothing from the agent's time. A script
    that does not hang up leaves that to the agent for PARTING_MS, then ends as if it did. When the agent ends the call
    early, the steps left are noted as such.

    settle_ms: how long the agent must have been quiet to have finished. on_done: told of each step as it is done.
    heard: of a line whose words are known, which steps that wait for words need. then: once the steps are done and the
    agent has finished, is asked for the next, again and again until there are none.
    Raises TimedOut when the agent says nothing for patience_s where it is its turn, or leaves the caller no moment for
    the next step for longest_s, as one does that answers its own echo; InputError for a line without
    sound; and what the voice and `caller.dial` raise.
    """
    if timeless := [each for each in steps if isinstance(each, VirtualStep) and not isinstance(each, Wait)]:
        raise InputError(f"{type(timeless[0]).__name__} happens in virtual time alone", hint="add --text")
    written = bool(steps) and isinstance(steps[-1], HangUp)
    script = [*steps] if written else [*steps, HangUp()]
    if heard is None and any(isinstance(each, WaitFor) or _at_words(each) for each in script):
        raise InputError(
            "which words were heard is not known on this line", hint="wait_ms and after_ms do not need them"
        )
    sounds = [await _sound(step, voice) for step in script]
    script_run = _ScriptRun(caller, settle_ms, patience_s, longest_s, heard)
    played = []
    async with caller:
        for step, sound in zip(script, sounds, strict=True):
            if step is script[-1] and not written:
                while then is not None and (more := await script_run.next_of(then)):
                    for each in more:
                        played.append(await script_run.play(each, await _sound(each, voice)))
                        on_done(played[-1])
                if played and isinstance(played[-1].step, HangUp):
                    break
                script_run.settle_ms = max(settle_ms, PARTING_MS)
            played.append(await script_run.play(step, sound))
            on_done(played[-1])
    return played


def say_texts(texts: Sequence[str]) -> list[ScriptStep]:
    """A script of lines. Raises InputError for one without anything to say."""
    for text in texts:
        if not any(each.isalnum() for each in text):
            raise InputError(f"--say {text!r} has nothing to say", hint='give the caller words: --say "Hello"')
        if not sayable(text):
            raise InputError(
                f"--say {text!r} has nothing that the caller's voice can say", hint='it speaks English: --say "Hello"'
            )
    return [Say(text) for text in texts]


def sayable(text: str) -> bool:
    """Whether the built-in voice would make a sound of it: found without loading it."""
    return any(each.isascii() and each.isalnum() for each in pronounceable(text))


def play_wav(path: str | PathLike[str]) -> Play:
    """A recording as a step, at the line's rate. Raises InputError for a file that is not audio or has no sound."""
    samples, rate_hz = read_wav(path)
    if not np.any(samples):
        what = "only silence" if len(samples) else "nothing"
        raise InputError(f"{path} has {what} in it", hint="record the caller again, or type it: --say TEXT")
    return Play(resample_all(samples, rate_hz, RATE_HZ), name=str(path))


def line_voice(recipe: TextToSpeech) -> Voice:
    """A voice of the engine's kind as a caller's."""

    async def speak(text: str) -> Samples:
        session = await recipe.open()
        try:
            samples, _ = await whole_clause(session, text)
        finally:
            await session.aclose()
        return resample_all(samples, recipe.rate_hz, RATE_HZ)

    return speak


class _ScriptRun:
    """One script on one line."""

    def __init__(
        self, caller: LineCaller, settle_ms: int, patience_s: float, longest_s: float, heard: Heard | None
    ) -> None:
        self._caller = caller
        self._heard = heard
        self.settle_ms = settle_ms
        """How long the agent must have been quiet before the next step."""
        self._patience_ms = patience_s * 1000.0
        self._longest_ms = longest_s * 1000.0
        self._since_ms = 0.0
        """The end of the caller's last step: what the agent says from here on is its answer."""
        self._voiced_ms = 0
        """How much the agent had said by then."""
        self._first = True
        self._lets_be = False
        """The caller has been silent at their turn: they may go on without having been answered."""

    async def next_of(self, then: Then) -> Sequence[ScriptStep]:
        """Once the agent has finished, what is to be done next; nothing once the call is over."""
        await self._wait_for_turn(Say(""))
        return () if self._caller.ended is not None else await then()

    async def play(self, step: ScriptStep, sound: Samples | None) -> StepDone:
        """Wait for the step's moment and do it. sound: of a step that speaks."""
        began_ms = self._caller.now_ms
        if isinstance(step, Wait | StaySilent | WaitFor):
            return await self._listen(step, began_ms)
        note = await (self._wait_to_cut_in(step) if isinstance(step, Interrupt) else self._wait_for_turn(step))
        if self._caller.ended is not None:
            return self._too_late(step, began_ms)
        self._first = False
        said = None
        if isinstance(step, HangUp):
            await self._caller.hang_up()
        elif isinstance(step, Press):
            for digit in step.digits:
                self._caller.press(digit)
                await self._caller.wait_for(lambda: False, _KEY_S)
        elif sound is not None:
            spoken = said = self._caller.say(sound)
            await self._caller.wait_for(lambda: self._caller.now_ms >= spoken.end_ms)
        self._since_ms = self._caller.now_ms
        self._voiced_ms = self._caller.ear.voiced_ms
        self._lets_be = False
        done_ms = self._since_ms if said is None else said.last_voiced_ms
        return StepDone(step=step, at_ms=done_ms, began_ms=began_ms, said=said, note=note)

    def _too_late(self, step: ScriptStep, began_ms: float) -> StepDone:
        """The agent has ended the call, which leaves nothing to do but to hang up."""
        hangs_up = isinstance(step, HangUp)
        note = "" if hangs_up else "the agent had ended the call"
        return StepDone(step=step, played=hangs_up, at_ms=self._caller.now_ms, began_ms=began_ms, note=note)

    async def _listen(self, step: Wait | StaySilent | WaitFor, began_ms: float) -> StepDone:
        """Say nothing, for a time or until words were heard. What is heard answers the last step that was more."""
        if self._caller.ended is not None:
            return self._too_late(step, began_ms)
        note = ""
        match step:
            case Wait(ms):
                await self._caller.wait_for(lambda: False, ms / 1000.0)
            case StaySilent(ms):
                await self._wait_for_turn(HangUp())
                await self._caller.wait_for(lambda: False, ms / 1000.0)
                self._lets_be = True
            case WaitFor(words, within_ms=within_ms):
                came = await self._caller.wait_for(lambda: self._said(words), within_ms / 1000.0)
                if not came and not self._said(words):
                    note = f"it was not heard within {within_ms} ms"
                    if self._caller.ended is not None:
                        note = "the call was over before it was heard"
        return StepDone(step=step, at_ms=self._caller.now_ms, began_ms=began_ms, note=note)

    def _said(self, words: str) -> bool:
        """Whether words have been heard since the caller's last step."""
        assert self._heard is not None  # or nobody would wait for words
        return has_words(self._heard(self._since_ms), words)

    async def _wait_for_turn(self, step: ScriptStep) -> str:
        """Until the agent has answered and is quiet."""
        await self._wait(step, lambda: (self._answered or self._lets_be) and self._caller.quiet_ms >= self.settle_ms)
        return ""

    async def _wait_to_cut_in(self, step: Interrupt) -> str:
        """Until so much of the answer has been heard, or it stops."""
        ear = self._caller.ear

        def heard_enough() -> bool:
            if step.after_words:
                return self._said(step.after_words)
            return self._answered and ear.voiced_ms - self._voiced_ms >= step.after_ms

        def stopped() -> bool:
            if step.after_words:  # a voice that falters may still say them
                return self._answered and self._caller.quiet_ms >= self.settle_ms
            return self._answered and not ear.talking and self._caller.quiet_ms > 0

        await self._wait(step, lambda: heard_enough() or stopped())
        if heard_enough():
            return ""
        if step.after_words:
            return f"the agent did not say {step.after_words!r}"
        return f"the agent spoke for only {ear.voiced_ms - self._voiced_ms} ms"

    async def _wait(self, step: ScriptStep, moment: Callable[[], bool]) -> None:
        """Until the moment; or until patience ends, which it does sooner, and in words, before the first word."""
        begins = self._first and not isinstance(step, HangUp)
        limit_ms = FIRST_WORD_MS if begins else self._patience_ms

        def impatient() -> bool:
            return not (self._answered or self._lets_be) and self._caller.now_ms - self._answer_from_ms >= limit_ms

        def endless() -> bool:
            return self._caller.now_ms - self._since_ms >= self._longest_ms

        await self._caller.wait_for(lambda: moment() or impatient() or endless())
        if self._caller.ended is not None or moment():
            return
        if endless():
            raise TimedOut(
                f"the agent left no moment to speak for {self._longest_ms / 1000:g} s",
                provider="agent",
                hint="on a line with echo it answers itself: Agent(echo_cancellation=True)",
            )
        if not begins:
            raise TimedOut(
                f"the agent said nothing for {limit_ms / 1000:g} s",
                provider="agent",
                hint="see what it was waiting for: run it again with --debug",
            )

    @property
    def _answer_from_ms(self) -> float:
        """What is heard from here on answers us: after our step, after what was taken back, after a transfer."""
        transferred = self._caller.transferred
        return max(self._since_ms, self._caller.cleared_ms or 0.0, transferred.at_ms if transferred else 0.0)

    @property
    def _answered(self) -> bool:
        last_ms = self._caller.ear.last_voiced_ms
        # The frame that a clear cuts is heard to its end, which is a little later.
        return last_ms is not None and last_ms > self._answer_from_ms + FRAME_MS


def _at_words(step: ScriptStep) -> bool:
    return isinstance(step, Interrupt) and bool(step.after_words)


async def _sound(step: ScriptStep, voice: Voice) -> Samples | None:
    """What a step sounds like, if it speaks."""
    match step:
        case Play(samples, name=what):
            sound = samples
        case Say(what) | Interrupt(what):
            sound = await voice(what)
        case _:
            return None
    if not len(sound):
        raise InputError(f"{what!r} makes no sound", hint="give the caller something to say")
    return sound
