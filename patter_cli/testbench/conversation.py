"""A call that a test holds step by step: it says something, the agent answers, the test looks, and says the next thing.

Theory of operation. The call runs on virtual time in a thread of its own, as simulate --text holds it. Whenever the
agent has finished, the call's clock stands still and its thread waits for the test; what the test asks for is done, and
the test goes on once the agent has finished again. So a test takes no longer than its agent's own code, and a test that
stops to think is no silence on the line.

    call = Conversation(ready_agent)          # the agent has greeted
    call.say("When do you open?")
    assert "nine" in call.heard
    call.hang_up()
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.contracts.llm import LanguageModel
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError, TimedOut
from patter_cli.simulate.judgement import NO_MODEL, ask, transcript
from patter_cli.simulate.played import Judgement, UsedTool
from patter_cli.simulate.script import sayable
from patter_cli.simulate.steps import ScriptStep, StaySilent, Wait, WaitFor
from patter_cli.simulate.written import Scenario, WrittenHuman
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.virtual import hold_virtually
from patter_cli.text.compare import has_words

__tracebackhide__ = True
"""What a test sees of a failure begins in the test."""

LONGEST_S: Final = 120.0
"""Of the world's time, for the agent's own code and models between two steps of a test."""
_LOOK_S: Final = 1.0
"""How often a call that waits for its test looks whether there still is one."""


class Conversation:
    """One call to an agent. Whatever does something returns when the agent has answered and is quiet, or the call is
    over; it raises what went wrong meanwhile: TimedOut where the agent says nothing, PatterError."""

    def __init__(
        self,
        agent: ReadyAgent,
        *,
        humans: Sequence[WrittenHuman] = (),
        model: LanguageModel | None = None,
        seed: int = 1,
    ) -> None:
        """humans: who can be reached by a transfer. model: judges. seed: the same seed, the same call."""
        self._held = HeldCall(scenario=Scenario(humans=tuple(humans), seed=seed))
        self._model = model
        self._wishes: queue.Queue[Sequence[ScriptStep]] = queue.Queue()
        self._ready = threading.Event()
        self._over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._hold, args=(agent,), daemon=True, name="patter-conversation")
        self._thread.start()
        self._wait()

    # --- what the caller does ------------------------------------------------------------------------------------

    def say(self, text: str, *, until: str = "") -> None:
        """Say something once the agent is quiet. until: return as soon as the agent has said these words in answer, to
        `interrupt` it there. Raises InputError for a text without words."""
        if not sayable(text):
            raise InputError(f"say({text!r}) has nothing to say", hint='call.say("Hello")')
        self._do(Say(text), *([WaitFor(until)] if until else ()))
        if until and not has_words(self.heard, until):
            raise TimedOut(
                f"the agent did not say {until!r}; it said {self.heard!r}", provider="agent", hint="see what it says"
            )

    def interrupt(self, text: str) -> None:
        """Say something now, into what the agent is saying."""
        if not sayable(text):
            raise InputError(f"interrupt({text!r}) has nothing to say", hint='call.interrupt("Stop, please.")')
        self._do(Interrupt(text, after_ms=0))

    def press(self, keys: str) -> None:
        """Press keys: 0-9, * and #."""
        if not keys or not set("0123456789*#").issuperset(keys):
            raise InputError(f"press({keys!r}): there are no such keys", hint='call.press("1")')
        self._do(Press(keys))

    def stay_silent(self, seconds: float) -> None:
        """Say nothing for so long, though it is the caller's turn."""
        self._do(StaySilent(round(seconds * 1000)))

    def wait(self, seconds: float) -> None:
        """Let so much time pass, whoever speaks."""
        self._do(Wait(round(seconds * 1000)))

    def hang_up(self) -> None:
        """End the call. Nothing happens if it is over."""
        if not self._over:
            self._do(HangUp())

    def close(self) -> None:
        """End the call, whatever state it is in."""
        if not self._over:
            self._wishes.put((HangUp(),))
            self._thread.join(LONGEST_S)

    # --- what there is to look at --------------------------------------------------------------------------------

    @property
    def heard(self) -> str:
        """What the agent said in answer to the last step, or its greeting before there was any."""
        since_ms, now_ms = 0.0, float("inf")
        for done in self._held.steps:
            if isinstance(done.step, WaitFor):
                now_ms = done.at_ms
            else:
                since_ms = done.began_ms if done.listens else done.at_ms
                now_ms = float("inf")
        return self._held.folds.words.since(since_ms, min(now_ms, 1e12))

    @property
    def transcript(self) -> str:
        """Who said what so far, a line each."""
        return transcript(self._held.steps, self._held.heard)

    @property
    def tools(self) -> Sequence[UsedTool]:
        """The tools that were called: name, arguments, result."""
        return tuple(self._held.folds.facts.tools)

    @property
    def keys(self) -> str:
        """What the agent pressed."""
        return "".join(each.digits for each in self._held.folds.facts.keys)

    @property
    def transfers(self) -> Mapping[str, str]:
        """Numbers the caller was put through to, each with why nobody there took the call, "" for who did."""
        return dict(self._held.folds.facts.transfers)

    @property
    def interruptions(self) -> int:
        """How often the agent was cut off."""
        return self._held.folds.facts.interruptions

    @property
    def waits_ms(self) -> Sequence[int]:
        """What the caller waited for the agent's voice, each time; known once the call is over."""
        return tuple(each for each in self._held.waits_ms if each is not None)

    @property
    def over(self) -> bool:
        """Somebody has ended the call."""
        return self._over

    @property
    def outcome(self) -> str:
        """How it ended, "" while it goes on."""
        return self._held.folds.summary.outcome or ""

    @property
    def reason(self) -> str:
        """Who ended it, or why."""
        return self._held.folds.summary.reason

    @property
    def judged(self) -> bool:
        """There is a language model that can judge."""
        return self._model is not None

    @property
    def errors(self) -> Sequence[str]:
        """What the agent's own code has raised so far: a line each, with its place."""
        return tuple(self._held.errors)

    def said(self, words: str) -> bool:
        """Whether the agent said these words in a row, at any time and however they are written."""
        return has_words(" ".join(each.text for each in self._held.heard), words)

    def judge(self, question: str) -> Judgement:
        """Ask a language model whether something is true of the call so far. Where there is none, `skipped` says so."""
        if self._model is None:
            return Judgement(passed=False, why="", skipped=NO_MODEL)
        return asyncio.run(ask(self._model, question, self.transcript))

    # --- the call's thread ---------------------------------------------------------------------------------------

    def _do(self, *steps: ScriptStep) -> None:
        if self._over:
            raise InputError(
                f"the call is over: {self.reason or self._held.failure or 'it ended'}",
                hint="call again, or look at it: call.transcript",
            )
        self._ready.clear()
        self._wishes.put(steps)
        self._wait()

    def _wait(self) -> None:
        if not self._ready.wait(LONGEST_S):
            raise TimedOut(
                f"the agent's code has not come back within {LONGEST_S:.0f} s",
                provider="agent",
                hint="see what it waits for",
            )
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._held.failure:
            raise TimedOut(self._held.failure, provider="agent", hint="see what it was waiting for: call.transcript")

    def _hold(self, agent: ReadyAgent) -> None:
        try:
            hold_virtually(agent, self._held.scenario, then=self._next_steps, held=self._held)
        except BaseException as error:  # noqa: BLE001 (it is raised where the test waits)
            self._error = error
        finally:
            self._over = True
            self._ready.set()

    async def _next_steps(self) -> Sequence[ScriptStep]:
        """On the call's loop, whose clock stands still for a thread."""
        self._ready.set()
        return await asyncio.get_running_loop().run_in_executor(None, self._asked_for)

    def _asked_for(self) -> Sequence[ScriptStep]:
        while threading.main_thread().is_alive():
            try:
                return self._wishes.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
        return (HangUp(),)
