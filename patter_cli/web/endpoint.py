"""One path of the API: what it takes, what it gives, and how that becomes a request's answer.

What is asked of the store is asked in a thread of its own, where its answer becomes JSON as well: the loop has calls.
"""

from __future__ import annotations

import json
import logging
from asyncio import AbstractEventLoop, get_running_loop, sleep
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from patter_cli.errors import (
    AnswerLost,
    BadSetting,
    CallRejected,
    CarrierError,
    ConfigError,
    DestinationRefused,
    InputError,
    NetworkError,
    NoRoom,
    PatterError,
    ProviderError,
    Stopping,
    StoreError,
    UnknownAgent,
)

log = logging.getLogger("patter.web")

READERS: Final = 2
"""Questions to the store at the same time. Each takes the interpreter from the calls for half a millisecond at most."""
BEGINS_S: Final = 0.4
"""So long a call that was told of may not be written down yet; a busy machine's journals are behind."""
API: Final = "/api/v1"

STATUS: Final[tuple[tuple[type[PatterError], int], ...]] = (
    (UnknownAgent, 404), (DestinationRefused, 403), (InputError, 400), (NoRoom, 503), (Stopping, 503),
    (CallRejected, 409), (AnswerLost, 502), (CarrierError, 502), (ProviderError, 502), (NetworkError, 502),
    (StoreError, 500), (BadSetting, 400), (ConfigError, 409),
)  # fmt: skip
"""What an error is over HTTP: the first kind that fits."""


class NotFound(InputError):
    """What was asked for is not there."""

    code = "not_found"


class Conflict(InputError):
    """It is there, and not in a state for this."""

    code = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that fits its endpoint."""

    path: Mapping[str, str]
    query: Any = None
    """The endpoint's `query`."""
    body: Any = None
    """The endpoint's `body`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""


Facts: TypeAlias = dict[str, Any]
"""JSON values, as the endpoint's `reply` has them."""
Blocking: TypeAlias = Callable[[Asked], Facts | Response]
Prompt: TypeAlias = Callable[[Asked], Awaitable[Facts | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """path: below /api/v1. reply: what comes back; None: something else than JSON, of the type `gives`.

    Exactly one of read, in a thread, and act, on the loop, answers it. Both raise PatterError.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    """Of the operation, unique."""
    summary: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that it heeds, with what they say."""
    reply: type[BaseModel] | None = None
    gives: str = "application/json"
    status: int = 200
    faults: tuple[int, ...] = ()
    """Beside 400, 401 and 429."""
    read: Blocking | None = None
    act: Prompt | None = None
    young: bool = False
    """What is read may be of a call that has begun this moment and is still on its way to the disk: what is not found
    is looked for once more."""


class Threads:
    """Where blocking questions are asked."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="patter-web")

    async def run(self, work: Callable[[], Response]) -> Response:
        loop: AbstractEventLoop = get_running_loop()
        return await loop.run_in_executor(self._threads, work)

    def close(self) -> None:
        """What runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def route(endpoint: Endpoint, threads: Threads) -> Route:
    """The endpoint as a path of the application."""

    async def answer(request: Request) -> Response:
        try:
            asked = Asked(
                path=dict(request.path_params),
                query=_model(endpoint.query, dict(request.query_params)) if endpoint.query is not None else None,
                body=_model(endpoint.body, _json(await request.body())) if endpoint.body is not None else None,
                headers=dict(request.headers),
            )
            if endpoint.act is not None:
                return _response(await endpoint.act(asked), endpoint.status)
            read = endpoint.read
            assert read is not None
            try:
                return await threads.run(lambda: _response(read(asked), endpoint.status))
            except NotFound:
                if not endpoint.young:
                    raise
            await sleep(BEGINS_S)  # in nobody's way: the threads are few
            return await threads.run(lambda: _response(read(asked), endpoint.status))
        except PatterError as error:
            if status_of(error) >= 500:
                log.warning("%s %s: %s", endpoint.method, endpoint.path, error)
            return fault(status_of(error), error.code, str(error), error.hint)
        except Exception:
            log.exception("%s %s failed", endpoint.method, endpoint.path)
            return fault(500, "internal", "the server failed; its log says how")

    return Route(f"{API}{endpoint.path}", answer, methods=[endpoint.method])


def status_of(error: PatterError) -> int:
    """What an error is over HTTP."""
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, Conflict):
        return 409
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def fault(status: int, code: str, message: str, hint: str = "") -> Response:
    """Why there is nothing."""
    body = json_bytes({"code": code, "message": message, "hint": hint})
    return Response(body, status, media_type="application/json")


def json_bytes(value: object) -> bytes:
    """A value as JSON of ASCII characters that is no markup, wherever it is pasted; half a surrogate pair, as a model's
    stream may cut it, included."""
    return in_markup(json.dumps(value, separators=(",", ":")))


def in_markup(text: str) -> bytes:
    """JSON text that means the same and holds no < > &, which only strings can have."""
    for character in "<>&":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace")


def _response(reply: Facts | Response, status: int) -> Response:
    if isinstance(reply, Response):
        return reply
    return Response(json_bytes(reply), status, media_type="application/json")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError("the body is not JSON", hint="see docs/api.md") from error


def _model(kind: type[BaseModel], value: Any) -> BaseModel:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"]) or "the body"
        raise InputError(f"{where[:100]}: {first['msg'][:300]}", hint="see docs/api.md") from error
