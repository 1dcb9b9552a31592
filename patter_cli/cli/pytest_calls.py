"""What the pytest fixture gives: calls to the agents of a project, in tests that are sync or async."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from patter_cli import wiring
from patter_cli.agent import Agent
from patter_cli.cli.callable_agents import CallableAgents
from patter_cli.cli.several import lines_of
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError, PatterError
from patter_cli.settings import load_settings
from patter_cli.simulate.judgement import NO_MODEL
from patter_cli.simulate.scenario import load_scenario, written_human
from patter_cli.testbench.conversation import Conversation
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.models import configured_model
from patter_cli.testbench.trials import Trial
from patter_cli.testbench.virtual import hold_virtually

log = logging.getLogger(__name__)

__tracebackhide__ = True
"""What a test sees of a failure begins in the test."""

_DOES: Final = ("say", "interrupt", "press", "stay_silent", "wait", "hang_up", "judge")
"""Methods of a Conversation that take their time."""


class PatterCall:
    """The fixture. Call it to call an agent; `play` plays a scenario."""

    def __init__(self) -> None:
        self._open: Conversation | None = None

    def __call__(
        self, agent: str | Path | Agent, *, humans: Sequence[str] = (), seed: int = 1, **hooks: Callable[..., Any]
    ) -> Any:
        """Call an agent, which then has greeted: its name in agents/, its file, or an Agent with its callbacks.

        humans: who can be reached by a transfer, "+12025550142=Front desk." or "…=busy". A test holds one call at a
        time: another one ends the one before. Returns a TestCall, in an async test something to await for it.
        """
        with _hints():
            ready = self._ready(agent, hooks)
            reachable = [written_human(each) for each in humans]

        def dial() -> TestCall:
            self.close()
            self._open = Conversation(ready, humans=reachable, model=configured_model(ready), seed=seed)
            return TestCall(self._open)

        return _here_or_awaited(dial)

    def play(self, scenario: str | Path, *, agent: str | Path | Agent = "", **variables: str) -> Any:
        """Play a scenario file by text; fails the test with what failed, as the command would tell it, and skips it
        where nobody can play its caller. Returns a HeldCall, in an async test something to await for it.

        agent: whom to call in place of the file's. variables: what its {names} stand for.
        """
        with _hints():
            read = load_scenario(Path(scenario), variables)
            ready = self._ready(agent or read.agent, {})
            model = configured_model(ready)
        if read.caller is not None and model is None:
            _skip(f"the caller is played by a language model, and {NO_MODEL}")

        def held() -> HeldCall:
            self.close()
            call = hold_virtually(ready, read, model=model)
            call.error = call.own_failure()
            if not call.passed:
                lines = lines_of(Trial(scenario=read, agent=ready.name, calls=[call]))
                raise AssertionError("\n".join(lines))
            return call

        return _here_or_awaited(held)

    def close(self) -> None:
        """Hang up the call that is open, if there is one."""
        call, self._open = self._open, None
        if call is not None:
            call.close()
            for each in call.errors:  # pytest shows what is logged beside a test that fails
                log.error("the agent's code: %s", each)

    def _ready(self, agent: str | Path | Agent, hooks: dict[str, Any]) -> ReadyAgent:
        settings = load_settings()
        if isinstance(agent, Agent):
            return wiring.ready_agent("agent", agent, Hooks(**hooks), settings)
        if hooks:
            raise InputError(
                f"{next(iter(hooks))} is written in {agent}'s own file", hint="patter_call(Agent(…), on_message=…)"
            )
        return CallableAgents(settings, text=True).find(str(agent))[0]


class TestCall:
    """A call as a test sees it: a Conversation, whose methods are awaited in an async test."""

    __test__ = False

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._conversation, name)
        if name not in _DOES:
            return found

        def does(*arguments: Any, **named: Any) -> Any:
            if name == "judge" and not self._conversation.judged:
                _skip(NO_MODEL)
            return _here_or_awaited(partial(found, *arguments, **named))

        does.__doc__, does.__name__ = found.__doc__, name
        return does

    def __dir__(self) -> list[str]:
        return [each for each in dir(Conversation) if not each.startswith("_")]

    def __repr__(self) -> str:
        return f"<call, {'over' if self.over else 'going on'}>\n{self.transcript}"


@contextmanager
def _hints() -> Iterator[None]:
    """Errors say what to do next, too."""
    try:
        yield
    except PatterError as error:
        error.add_note(f"hint: {error.hint}")
        raise


def _here_or_awaited(work: Callable[[], Any]) -> Any:
    """What it gives, or where a loop runs, something to await for it: its loop goes on meanwhile."""

    def hinted() -> Any:
        with _hints():
            return work()

    loop = asyncio._get_running_loop()  # the one that raises would leave a trace in every failure
    return hinted() if loop is None else loop.run_in_executor(None, hinted)


def _skip(why: str) -> None:
    import pytest

    pytest.skip(why)
