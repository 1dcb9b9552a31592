"""What an agent can do: `@tool` on a function, `Tool(...)` with a schema and a handler or webhook, or a plain dict."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Protocol, overload

from patter_cli.call_event import CallEvent
from patter_cli.docstring import read_docstring
from patter_cli.errors import InputError
from patter_cli.schema import Arguments, arguments_by, arguments_of, check_signature

TIMEOUT_S = 10.0
"""Deadline of a tool whose author names none; a slow one is bridged by a filler long before."""

ANSWER_S = 12.0
"""More than a carrier is given to pause a recording, or else to stop it."""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


class ToolContext(CallEvent):
    """What a tool may know of the call it runs in. caller, callee: phone numbers. history: of {role, text, timestamp}.

    A mapping with attributes, as events are: ctx.caller is ctx["caller"]. It comes from the call itself: unlike its
    arguments, a model cannot make it up.
    """

    call_id: str
    caller: str
    callee: str
    history: Sequence[Mapping[str, Any]]
    direction: str
    """Or "outbound": who is on the other side is the callee then."""

    def __init__(
        self,
        *,
        call_id: str,
        caller: str,
        callee: str,
        history: Sequence[Mapping[str, Any]] = (),
        direction: str = "inbound",
        record: RecordSwitch | None = None,
    ) -> None:
        """record: turns the call's record off and on; None: there is none."""
        super().__init__(call_id=call_id, caller=caller, callee=callee, history=list(history), direction=direction)
        object.__setattr__(self, "_record", record)

    def pause_recording(self) -> Awaitable[None]:
        """Keep nothing of what the caller says or presses, until resume_recording or the end of this tool.

        The agent is deaf meanwhile: nothing comes into transcript, history and journal or to any vendor, and the
        carrier's recording holds. In `async def` await it; elsewhere it returns once it is so. Raises CarrierError when
        the carrier goes on recording: then ask for nothing that must not be kept.
        """
        return self._turn(True)

    def resume_recording(self) -> Awaitable[None]:
        """Hear and record again; another tool that paused it may want it paused still."""
        return self._turn(False)

    def over(self) -> None:
        """The tool has ended, and wants nothing for its own time any more."""
        if self._record is not None:
            self._record.end()

    def _turn(self, off: bool) -> Awaitable[None]:
        record: RecordSwitch | None = self._record
        answer: Future[None] = Future()
        if record is None:
            answer.set_result(None)
        else:
            answer = record.turn(off)
        try:
            return asyncio.wrap_future(answer)
        except RuntimeError:  # no loop here: a plain function in its own thread, which may wait
            answer.result(ANSWER_S)
            return _Done()


class RecordSwitch(Protocol):
    """What a tool's context asks, from any thread."""

    def turn(self, off: bool) -> Future[None]:
        """Done once it is so, or with CarrierError."""

    def end(self) -> None:
        """The tool is over."""


class _Done:
    """Awaited, it is done."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


@dataclass(frozen=True, eq=False)
class Tool:
    """Something the agent can do. Calling it runs its handler, so that an agent's own code can use it too.

    parameters: a JSON Schema of type object; none, no arguments. Either a handler, sync or async, which gets
    (arguments) or (arguments, ctx) and whose answer the model gets as JSON; or a webhook_url, which gets them by POST.
    timeout_s: from 0 to 300, for everything. secret: signs the webhook's requests, else PATTER_WEBHOOK_SECRET does.
    allow_private: the webhook may be on this network, and then also plain http and on any port. idempotent: the webhook
    may be asked again when nobody knows whether it did what it was asked. Raises InputError.
    """

    name: str
    description: str
    parameters: Mapping[str, Any] | None = None
    handler: Callable[..., Any] | None = field(default=None, kw_only=True)
    webhook_url: str = field(default="", kw_only=True)
    timeout_s: float = field(default=TIMEOUT_S, kw_only=True)
    secret: str = field(default="", kw_only=True, repr=False)
    allow_private: bool = field(default=False, kw_only=True)
    idempotent: bool = field(default=False, kw_only=True)
    by_name: bool = field(default=False, kw_only=True, repr=False)
    """The handler takes each argument by its name and is described by its signature: what @tool makes."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            hint = "up to 64 letters, digits, _ and -, beginning with a letter"
            raise InputError(f"{self.name!r} cannot be the name of a tool", hint=hint)
        if not isinstance(self.description, str):
            raise InputError(
                f"tool {self.name}: its description is not a text", hint="say when the model should use it"
            )
        if not isinstance(self.timeout_s, int | float) or not 0 < self.timeout_s <= 300:
            raise InputError(f"tool {self.name}: timeout_s is {self.timeout_s!r}", hint="seconds, from 0 to 300")
        if (self.handler is None) is (not self.webhook_url):
            raise InputError(f"tool {self.name} needs a handler or a webhook_url, and not both", hint="handler=book")
        if self.handler is not None:
            self._check_handler(self.handler)

    def _check_handler(self, handler: Callable[..., Any]) -> None:
        if not callable(handler):
            raise InputError(f"tool {self.name}: its handler cannot be called", hint="give it a function")
        if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
            raise InputError(f"tool {self.name} yields", hint="return one result")
        if self.by_name:
            check_signature(self.name, handler)
        elif _takes(handler) < 1:
            raise InputError(f"tool {self.name}: its handler takes no arguments", hint=f"def {self.name}(args): …")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.handler is None:
            raise InputError(f"tool {self.name} is a webhook", hint="only a model can use it")
        return self.handler(*args, **kwargs)

    @functools.cached_property
    def accepts(self) -> Arguments:
        """The schema for the model and the check of its arguments, worked out at first use. Raises InputError."""
        if self.by_name and self.handler is not None:
            return arguments_of(self.name, self.handler, context=ToolContext)
        nothing = {"type": "object", "properties": {}}
        return arguments_by(self.name, nothing if self.parameters is None else self.parameters)

    def bind(self, arguments: Mapping[str, Any], ctx: ToolContext) -> functools.partial[Any]:
        """The handler with checked arguments, ready to be called in the place where it can do no harm."""
        assert self.handler is not None
        if self.by_name:
            known = {"ctx": ctx} if "ctx" in inspect.signature(self.handler).parameters else {}
            return functools.partial(self.handler, **arguments, **known)
        own = dict(arguments)
        return functools.partial(self.handler, *((own, ctx) if _takes(self.handler) > 1 else (own,)))


def _takes(handler: Callable[..., Any]) -> int:
    """How many arguments it wants by position, one or two: a second with a default, unless named ctx, is its own."""
    try:
        parameters = inspect.signature(handler).parameters.values()
    except ValueError:  # written in C, and does not say
        return 1
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return 2
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return sum(not n or each.default is each.empty or each.name == "ctx" for n, each in enumerate(places[:2]))


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(*, name: str = "", timeout_s: float = TIMEOUT_S) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None, /, *, name: str = "", timeout_s: float = TIMEOUT_S
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool; the model learns of it what its name, docstring and annotations say.

    A parameter named ctx gets the ToolContext. Everything else about the function stays as it was. Raises InputError.
    """
    if function is None:
        return functools.partial(_tool, name=name, timeout_s=timeout_s)
    return _tool(function, name=name, timeout_s=timeout_s)


def _tool(function: Callable[..., Any], *, name: str, timeout_s: float) -> Tool:
    if not inspect.isroutine(function):
        raise InputError(
            f"@tool stands above a function, not {function!r}", hint="for anything else there is Tool(...)"
        )
    parameters = inspect.signature(function).parameters
    description, _ = read_docstring(function.__doc__, parameters)
    made = Tool(name or function.__name__, description, handler=function, timeout_s=timeout_s, by_name=True)
    looks: dict[str, Any] = {
        each: getattr(function, each) for each in functools.WRAPPER_ASSIGNMENTS if hasattr(function, each)
    }
    vars(made).update(looks, __wrapped__=function)
    return made


_KEYS = frozenset(each.name for each in fields(Tool)) - {"by_name"}


def as_tool(value: Any) -> Tool:
    """A Tool from a Tool or from a dict of its arguments. Raises InputError."""
    if isinstance(value, Tool):
        return value
    if isinstance(value, Mapping):
        if unknown := sorted(map(str, value.keys() - _KEYS)):
            near = get_close_matches(unknown[0], _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(_KEYS))}"
            raise InputError(f"a tool has no {', '.join(unknown)}", hint=hint)
        if missing := sorted({"name", "description"} - value.keys()):
            raise InputError(f"a tool lacks its {' and '.join(missing)}", hint='{"name": …, "description": …, …}')
        return Tool(**value)
    if inspect.isroutine(value):
        raise InputError(f"{value.__name__} is a function, not a tool", hint="write @tool above it")
    raise InputError(f"{value!r} is not a tool", hint="use @tool, Tool(...) or a dict")
