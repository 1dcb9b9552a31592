"""OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ToolCall, Usage
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.llm.chat import ChatVendor, check_function
from patter_cli.testing.vendors.llm.said import Over
from patter_cli.testing.vendors.llm.vendor import event, known_fields, require
from patter_cli.testing.vendors.server import Request

SEALED = "gAAAAB-sealed-"


class ResponsesWriter:
    """Items one after the other, each begun, written and done; every event has its number."""

    def __init__(self) -> None:
        self._number = 0
        self._items = 0
        self._open = False
        self._done: list[dict[str, Any]] = []
        self._words = ""

    def thought(self, words: str) -> tuple[bytes, ...]:
        """Sealed: nobody reads it."""
        item = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": SEALED + words}
        return (*self._begin(), *self._item({**item, "encrypted_content": None}), self._item_done(item))

    def text(self, words: str) -> tuple[bytes, ...]:
        """A delta; a message is begun for the first."""
        opened: tuple[bytes, ...] = ()
        if not self._open:
            self._open = True
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            opened = (
                *self._begin(),
                *self._item(self._message([])),
                self._event("response.content_part.added", item_id="msg_1", content_index=0, part=part),
            )
        self._words += words
        return (
            *opened,
            self._event("response.output_text.delta", item_id="msg_1", content_index=0, delta=words, logprobs=[]),
        )

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Each an item, its arguments in fragments."""
        sent = [*self._begin(), *self._close()]
        for number, call in enumerate(calls):
            item = {"id": f"fc_{number}", "type": "function_call", "call_id": call.id, "name": call.name}
            sent += self._item({**item, "arguments": "", "status": "in_progress"})
            for start in range(0, len(call.arguments), 3):
                piece = call.arguments[start : start + 3]
                sent.append(self._event("response.function_call_arguments.delta", item_id=item["id"], delta=piece))
            sent.append(
                self._event(
                    "response.function_call_arguments.done",
                    item_id=item["id"],
                    name=call.name,
                    arguments=call.arguments,
                )
            )
            sent.append(self._item_done({**item, "arguments": call.arguments, "status": "completed"}))
        return tuple(sent)

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """The whole response once more."""
        kind, reason = {
            Over.WELL: ("completed", None),
            Over.LIMIT: ("incomplete", {"reason": "max_output_tokens"}),
            Over.DECLINED: ("incomplete", {"reason": "content_filter"}),
        }[over]
        spent = None
        if usage is not None:
            spent = {
                "input_tokens": usage.input_tokens,
                "input_tokens_details": {
                    "cached_tokens": usage.cached_tokens,
                    "cache_write_tokens": usage.written_tokens,
                },
                "output_tokens": usage.output_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage.input_tokens + usage.output_tokens,
            }
        closed = (*self._begin(), *self._close())
        response = self._response(kind, usage=spent, incomplete_details=reason, output=self._done)
        return (*closed, self._event(f"response.{kind}", response=response))

    def _begin(self) -> tuple[bytes, ...]:
        if self._number:
            return ()
        return (self._event("response.created", response=self._response("in_progress")),)

    def _close(self) -> tuple[bytes, ...]:
        if not self._open:
            return ()
        self._open = False
        part = {"type": "output_text", "text": self._words, "annotations": [], "logprobs": []}
        return (
            self._event("response.output_text.done", item_id="msg_1", content_index=0, text=self._words, logprobs=[]),
            self._event("response.content_part.done", item_id="msg_1", content_index=0, part=part),
            self._item_done(self._message([part], "completed")),
        )

    def _message(self, content: list[Any], status: str = "in_progress") -> dict[str, Any]:
        return {"id": "msg_1", "type": "message", "role": "assistant", "content": content, "status": status}

    def _item(self, item: dict[str, Any]) -> tuple[bytes, ...]:
        self._items += 1
        return (self._event("response.output_item.added", item=item),)

    def _item_done(self, item: dict[str, Any]) -> bytes:
        self._done.append(item)
        return self._event("response.output_item.done", item=item)

    def _event(self, kind: str, **fields: Any) -> bytes:
        place = {} if "response" in fields else {"output_index": self._items - 1}
        value = {"type": kind, "sequence_number": self._number, **place, **fields}
        self._number += 1
        return event(value, kind)

    def _response(self, status: str, **fields: Any) -> dict[str, Any]:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "scripted",
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "output": [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": None,
            **fields,
        }


class ResponsesVendor(ChatVendor):
    """OpenAI, asked over Responses."""

    path = "/v1/responses"
    fields = (
        "model input instructions tools tool_choice parallel_tool_calls reasoning text max_output_tokens stream "
        "stream_options service_tier prompt_cache_key include store temperature top_p metadata safety_identifier"
    )

    def writer(self) -> ResponsesWriter:  # type: ignore[override]
        return ResponsesWriter()

    def error_inside(self) -> bytes:
        """An event of its own."""
        failed = self.failure(Fault.OVERLOADED, "overloaded")["error"]
        return event({"sequence_number": 9, **failed, "type": "error"}, "error")

    def complain(self, body: dict[str, Any], request: Request) -> None:
        known_fields(body, self.fields)
        for tool in body.get("tools", []):
            check_function(tool)
        due: list[str] = []
        thought = False
        for item in body["input"]:
            match item.get("type", "message"):
                case "message":
                    require(not thought and bool(item["content"]), "a message is empty, or follows a reasoning item")
                case "function_call":
                    due.append(item["call_id"])
                    thought = False
                case "function_call_output":
                    require(item["call_id"] in due, "No tool call found for function call output")
                    due.remove(item["call_id"])
                case "reasoning":
                    thought = True
                    require(item["encrypted_content"].startswith(SEALED), "encrypted content could not be verified")
                case kind:
                    require(False, f"unknown item: {kind}")
        require(not due, "No tool output found for function call")
        require(not thought, "reasoning was provided without its required following item")
        if body.get("store") is False and (body.get("reasoning") or {}).get("effort", "medium") != "none":
            require("reasoning.encrypted_content" in (body.get("include") or []), "what is thought would be lost")
