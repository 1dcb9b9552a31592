"""A reply by recognition, model and voice: the caller's words are asked for, an answer is thought of and spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from patter_cli.contracts.llm import Delta, ToolSpec
from patter_cli.core import commands as order
from patter_cli.core.commands import Command
from patter_cli.core.events import Event
from patter_cli.engine.call_tools import offered_tools
from patter_cli.engine.context import CallContext
from patter_cli.engine.dialogue import chat_messages, told_prompt
from patter_cli.engine.eou import EndOfTurnDetector
from patter_cli.engine.listen import Listener
from patter_cli.engine.model import Rewind, ask_models
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.speak import Speaker
from patter_cli.engine.think import Ask, Brain, Thinker, model_used


class CascadePerformer:
    """One call's ears, mind and mouth."""

    def __init__(
        self,
        call: CallContext,
        *,
        listener: Listener | None,
        thinker: Thinker,
        speaker: Speaker,
        turns: EndOfTurnDetector | None,
        instruct: Callable[[], None] = lambda: None,
    ) -> None:
        """listener: None where an engine hears the caller, and only lines of ours are spoken here. turns: says whether
        the caller has finished; None: nobody does. instruct: has whoever is told its prompt once be told it anew."""
        self._call = call
        self._listener = listener
        self._thinker = thinker
        self._speaker = speaker
        self._turns = turns
        self._instruct = instruct

    def start(self) -> list[asyncio.Task[None]]:
        """Begin listening and speaking. Returns what runs until it is cancelled."""
        workers = [self._call.guard("speaker", self._speaker.run)]
        if self._listener is not None:
            workers.append(self._call.guard("listener", self._listener.run))
        return workers

    def adopt(self, agent: ReadyAgent) -> None:
        """The call's agent has changed."""
        self._speaker.use(agent.tts, *agent.tts_fallbacks)
        self._thinker.use(
            agent.plan.language, aggressive_first_flush=agent.aggressive_first_flush, go_on=go_on_line(agent)
        )
        if self._listener is not None:
            self._listener.use(agent.stt, *agent.stt_fallbacks)

    def perform(self, command: Command) -> bool:
        match command:
            case order.Speak():
                self._speaker.speak(command)
            case order.StartResponse(response_id=response_id, text=text):
                self._thinker.start(Ask(response_id=response_id, text=text, history=self._call.history))
            case order.DraftResponse(response_id=response_id, text=text):
                self._thinker.start(Ask(response_id=response_id, text=text, drafted=True, history=self._call.history))
            case order.AdoptResponse():
                pass  # what was drafted is being written already
            case order.ContinueResponse(response_id=response_id, said=said, may_call=may_call):
                history = self._call.history
                self._thinker.start(Ask(response_id=response_id, said=said, may_call=may_call, history=history))
            case order.ReadOut(response_id=response_id, text=text):
                self._thinker.read_out(response_id, text)
            case order.CancelResponse(response_id=response_id):
                self._thinker.cancel(response_id)
                self._speaker.cancel(response_id)
            case order.FinalizeTranscript():
                if self._listener is not None:
                    self._listener.finalize()
            case order.CommitTranscript():
                for used in self.used():
                    self._call.post(used)
                if self._listener is not None:
                    self._listener.commit()
                if self._turns is not None:
                    self._turns.commit()
            case order.SwitchLanguage(language=language):
                self._speak_in(language)
                self._instruct()
            case order.Instruct():
                self._instruct()
            case order.PredictEndOfTurn(segment=segment):
                if self._turns is not None:
                    self._turns.predict(segment)
            case _:
                return False
        return True

    def _speak_in(self, language: str) -> None:
        agent = self._call.agent
        go_on = self._call.plan.lines.go_on if agent.models else None
        self._thinker.use(language, aggressive_first_flush=agent.aggressive_first_flush, go_on=go_on)
        spoken = agent.spoken.get(language)
        if spoken is not None:
            self._speaker.use(*spoken.voices)
            if self._listener is not None:
                self._listener.use(*spoken.ears)

    def used(self) -> list[Event]:
        """What ears and voice have taken since this was last asked."""
        heard = [] if self._listener is None else self._listener.used()
        return [*heard, *self._speaker.used()]

    def line_gone(self) -> None:
        """Nobody is heard any more."""
        if self._turns is not None:
            self._turns.close()

    def close(self) -> None:
        self._thinker.stop()
        self.line_gone()


def go_on_line(agent: ReadyAgent) -> str | None:
    """What a model's reply that grows too long ends with; an author's own code is not asked to go on."""
    return agent.plan.lines.go_on if agent.models else None


class AgentBrain:
    """Whatever answers for the agent as it is when it is asked: its models, or its own code."""

    def __init__(self, call: CallContext, models: Brain, own: Brain) -> None:
        self._call = call
        self._models = models
        self._own = own

    def __call__(self, ask: Ask) -> AsyncGenerator[Delta | Rewind, None]:
        return self._models(ask) if self._call.agent.models else self._own(ask)


class ModelBrain:
    """The agent's models, as the thinker wants them."""

    def __init__(self, call: CallContext, tools: Callable[[], tuple[ToolSpec, ...]]) -> None:
        """tools: those of the agent as it is when the model is asked."""
        self._call = call
        self._tools = tools

    async def __call__(self, ask: Ask) -> AsyncGenerator[Delta | Rewind, None]:
        call = self._call
        messages = chat_messages(
            told_prompt(call.plan), ask.history, drafted=ask.text if ask.drafted else "", said=ask.said or ""
        )
        tools = offered_tools(self._tools(), call.plan, call.info.direction)
        deltas = ask_models(
            call.agent.models,
            messages,
            tools,
            may_call=ask.may_call,
            breakers=call.agent.breakers,
            broken_off=lambda usage: call.post(model_used(ask.response_id, usage)),
            spoken=ask.spoken,
            may_be_silent=bool(ask.said),
        )
        try:
            async for delta in deltas:
                yield delta
        finally:
            await deltas.aclose()
