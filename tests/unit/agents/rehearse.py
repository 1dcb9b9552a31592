"""An agent of agents/ without sound: what the caller says goes in, what would be spoken comes out."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from patter_cli.cli.discovery import load_agent
from patter_cli.contracts.llm import ChatMessage, Text, ToolCall
from patter_cli.core.tool_calls import END_CALL, TRANSFER_CALL, succeeded
from patter_cli.engine.tools import ToolRunner, ready_tools
from patter_cli.providers.rules import RulesLLM
from patter_cli.tools import ToolContext

ROOT = Path(__file__).parents[3]
CALLER = "+12025550199"


class Talk:
    """One call with an agent, loaded afresh. done: what became of the call; kept: what its tools were asked."""

    def __init__(self, name: str, /, **parameters: str) -> None:
        self.loaded = load_agent(name, ROOT)
        self.agent = self.loaded.agent
        self.done: list[str] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._hooks = self.loaded.hooks
        self._messages = [ChatMessage(role="system", text=self.agent.system_prompt)]
        self._messages.append(ChatMessage(role="assistant", text=self.agent.first_message))
        self._tools = ToolRunner(
            ready_tools(self.agent.tools), lambda: ToolContext(call_id="call", caller=CALLER, callee="")
        )
        self._call = {"call_id": "call", "caller": CALLER, "callee": "", "history": []}
        if "on_call_start" in self._hooks:
            self._hooks["on_call_start"](
                SimpleNamespace(**self._call, carrier="loopback", custom_params=parameters, agent=name)
            )

    @property
    def module(self) -> ModuleType:
        answers = self.agent.llm.rules if isinstance(self.agent.llm, RulesLLM) else self._hooks["on_message"]
        return sys.modules[answers.__module__]

    @property
    def lines_kept(self) -> list[dict[str, Any]]:
        """What the agent has written down."""
        files = Path(self.module.rehearsals.name).iterdir()
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def say(self, *turns: str) -> str:
        """Say some turns; returns the answer to the last."""
        reply = ""
        for text in turns:
            reply = self._by_hook(text) if "on_message" in self._hooks else asyncio.run(self._by_model(text))
        return reply

    def _by_hook(self, text: str) -> str:
        event = SimpleNamespace(
            **self._call,
            text=text,
            end_call=lambda: self.done.append("ended"),
            transfer_call=lambda number: self.done.append(f"transferred {number}"),
        )
        reply = self._hooks["on_message"](event)
        assert not inspect.isawaitable(reply)
        return str(reply)

    async def _by_model(self, text: str) -> str:
        """As the engine does it: the model, its tools, the model again, until it has nothing more to ask."""
        assert isinstance(self.agent.llm, RulesLLM)
        self._messages.append(ChatMessage(role="user", text=text))
        spoken = ""
        while True:
            said = ""
            calls: list[ToolCall] = []
            async for delta in self.agent.llm.stream(self._messages, self._tools.specs()):
                if isinstance(delta, Text):
                    said += delta.text
                elif isinstance(delta, ToolCall):
                    calls.append(replace(delta, id=f"{len(self._messages)}.{len(calls)}"))
            spoken += said
            if not calls:
                self._messages.append(ChatMessage(role="assistant", text=said))
                return spoken
            self._messages.append(ChatMessage(role="assistant", text=said, tool_calls=tuple(calls)))
            for call in calls:
                self._messages.append(ChatMessage(role="tool", text=await self._run(call), tool_call_id=call.id))
            if said and all(call.name in (END_CALL, TRANSFER_CALL) for call in calls):
                return spoken

    async def _run(self, call: ToolCall) -> str:
        arguments = json.loads(call.arguments)
        if call.name == END_CALL:
            self.done.append("ended")
        elif call.name == TRANSFER_CALL:
            self.done.append(f"transferred {arguments['number']}")
        else:
            self.asked.append((call.name, arguments))
            return (await self._tools.run("1", call.name, call.arguments)).text
        return succeeded("")
