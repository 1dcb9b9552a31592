"""What vendors' replies are read by, for the fuzzer: a whole stream of events in, a word for what came of it out."""

from __future__ import annotations

import random
from collections.abc import Callable

from patter_cli.contracts.llm import Delta, Text, ToolCall, Usage
from patter_cli.errors import BadReply, ProviderError, Unavailable
from patter_cli.providers.anthropic import MessagesReader
from patter_cli.providers.chat import ChatReader
from patter_cli.providers.google import ContentReader
from patter_cli.providers.http import Server, error_inside, refusal
from patter_cli.providers.reply import ErrorInside, Reader
from patter_cli.providers.responses import ResponsesReader
from patter_cli.providers.sse import EventDecoder, EventTooLong
from patter_cli.providers.tool_calls import ARGUMENT_CHARS, MOST_CALLS, arguments_of, unsealed
from patter_cli.testing.vendors.faults import REFUSED
from patter_cli.testing.vendors.llm.anthropic import AnthropicVendor
from patter_cli.testing.vendors.llm.chat import CerebrasVendor, ChatVendor, GroqVendor, HomeVendor
from patter_cli.testing.vendors.llm.google import GoogleVendor
from patter_cli.testing.vendors.llm.responses import ResponsesVendor
from patter_cli.testing.vendors.llm.said import Over, Said, pieces
from patter_cli.testing.vendors.llm.vendor import LanguageVendor
from tests.contract.conversations import ASKS, DONE

SECRET = "sk-fuzz-4711"
ACME = Server(provider="acme", base_url="https://acme.example/v1", key=SECRET, key_name="ACME_KEY", key_hint="export")
READERS: dict[str, tuple[tuple[type[LanguageVendor], ...], Callable[[], Reader]]] = {
    "llm-chat": (
        (ChatVendor, GroqVendor, CerebrasVendor, HomeVendor),
        lambda: ChatReader(provider="acme", model="m", may_call=True, thinks_aloud=True, ends=False),
    ),
    "llm-responses": ((ResponsesVendor,), lambda: ResponsesReader(provider="openai", model="m", may_call=True)),
    "llm-anthropic": ((AnthropicVendor,), lambda: MessagesReader(provider="anthropic", model="m", may_call=True)),
    "llm-google": ((GoogleVendor,), lambda: ContentReader(provider="google", model="m", may_call=True)),
}


def streams(vendors: tuple[type[LanguageVendor], ...]) -> tuple[str, ...]:
    """Whole replies of these, and one that breaks off with an error."""
    said = (ASKS, DONE, Said("We open at", over=Over.LIMIT), Said("", over=Over.DECLINED))
    whole = [b"".join(pieces(each().writer(), reply)).decode() for each in vendors for reply in said]
    return (*whole, *(each().error_inside().decode() for each in vendors))


def reply_reader(new: Callable[[], Reader]) -> Callable[[random.Random], Callable[[str], str]]:
    """Reads a stream from its bytes, cut somewhere."""

    def target(dice: random.Random) -> Callable[[str], str]:
        def read(text: str) -> str:
            stream, reader, decoder = text.encode("utf-8", "surrogatepass"), new(), EventDecoder()
            cut = dice.randrange(len(stream) + 1)
            try:
                deltas: list[Delta] = []
                for event in (*decoder.push(stream[:cut]), *decoder.push(stream[cut:]), *decoder.end()):
                    deltas += reader.push(event.data)
                deltas += reader.end()
            except (BadReply, Unavailable, EventTooLong) as error:
                return type(error).__name__
            except ErrorInside as error:
                return "error inside" if str(error_inside(ACME, error.value)).isprintable() else "unprintable"
            _check(deltas)
            return "calls" if any(isinstance(each, ToolCall) for each in deltas) else "words"

        return read

    return target


def _check(deltas: list[Delta]) -> None:
    calls = [each for each in deltas if isinstance(each, ToolCall)]
    assert len(calls) <= MOST_CALLS
    assert sum(len(each.arguments) for each in calls) <= ARGUMENT_CHARS
    for delta in deltas:
        match delta:
            case Text(text):
                assert text
                text.encode()
            case ToolCall():
                assert delta.id
                assert delta.name
                assert isinstance(arguments_of(delta), dict)
                unsealed("google", delta.seal)
                f"{delta.id}{delta.name}{delta.arguments}{delta.seal}".encode()
            case Usage():
                assert min(delta.input_tokens, delta.output_tokens, delta.cached_tokens, delta.written_tokens) >= 0


def refusals() -> tuple[str, ...]:
    """The bodies with which the vendors refuse."""
    vendors = (ChatVendor, CerebrasVendor, AnthropicVendor, GoogleVendor)
    answers = [each().refusal(fault) for each in vendors for fault in REFUSED]
    return tuple(step.decode() for answer in answers for step in answer.steps if isinstance(step, bytes))


def refusal_reader(dice: random.Random) -> Callable[[str], str]:
    """Reads the body of a refusal."""

    def read(text: str) -> str:
        said = (text + SECRET if dice.random() < 0.1 else text).encode("utf-8", "surrogatepass")
        status = dice.choice((301, 400, 401, 402, 404, 408, 409, 413, 429, 498, 500, 503, 529))
        given = {"retry-after": text[:20]} if dice.random() < 0.3 else {}
        error = refusal(ACME, status, given, said)
        assert isinstance(error, ProviderError)
        assert str(error).isprintable()
        assert SECRET not in str(error)
        assert error.retry_after_s is None or error.retry_after_s >= 0
        return type(error).__name__

    return read
