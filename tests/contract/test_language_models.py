"""What the engine relies on from any language model, against a scripted vendor on a real socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace

import pytest

from patter_cli.contracts.llm import ChatMessage, Delta, LanguageModel, Text, ToolCall, ToolSpec, Usage
from patter_cli.errors import (
    BadReply,
    NoCredit,
    NotOffered,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from patter_cli.testing.vendors.server import Answer, Await, Cut, LabServer, Request, Script, in_json, serve, streamed
from tests.contract.rows import KEY, MODELS, ModelRow

HELLO = (ChatMessage(role="system", text="You are kind."), ChatMessage(role="user", text="Hello"))
BOOK = ToolSpec(name="book", description="Book a table", parameters={"type": "object", "properties": {}})
PROMPT_S = 1.0
"""For what is to happen at once; never reached when it does."""

pytestmark = pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name)


async def gathered(stream: AsyncGenerator[Delta, None]) -> list[Delta]:
    """Everything, to the end."""
    return [each async for each in stream]


def words(deltas: list[Delta]) -> str:
    """What the caller would hear."""
    return "".join(each.text for each in deltas if isinstance(each, Text))


def said(row: ModelRow, *texts: str) -> Answer:
    """A plain reply."""
    wire = row.writer()
    return streamed(*(piece for text in texts for piece in wire.text(text)), *wire.end(None))


def lab(script: Script | Sequence[Answer]) -> AbstractAsyncContextManager[LabServer]:
    """The vendor at an address without a version, as its own library takes it."""
    return serve(script, path="")


def unsealed(deltas: Iterable[Delta]) -> list[Delta]:
    """The same without what vendors want back."""
    return [replace(each, seal="") if isinstance(each, ToolCall) else each for each in deltas]


async def test_words_come_as_they_are_sent(row: ModelRow) -> None:
    """The first word is there while the vendor still thinks about the second."""
    wire = row.writer()
    thinking = asyncio.Event()
    answer = streamed(*wire.text("Good "), Await(thinking), *wire.text("morning."), *wire.end(None))
    async with lab([answer]) as vendor, aclosing(row.make(vendor.url).stream(HELLO)) as stream:
        assert await anext(stream) == Text("Good ")
        thinking.set()
        assert await gathered(stream) == [Text("morning.")]
        assert vendor.requests[0].path == row.asks_at


async def test_tool_calls_come_whole_in_order_and_usage_last(row: ModelRow) -> None:
    """Words, then each call once with all of its arguments, then what it cost."""
    wire = row.writer()
    calls = (ToolCall(id="c1", name="book", arguments='{"at": "18:00"}'), ToolCall(id="c2", name="book"))
    async with lab(lambda _: streamed(*steps)) as vendor:
        model = row.make(vendor.url)
        usage = Usage(model=model.model, input_tokens=812, output_tokens=31, cached_tokens=768)
        steps = (*wire.text("One moment."), *wire.calls(calls), *wire.end(usage))
        assert unsealed(await gathered(model.stream(HELLO, [BOOK]))) == [Text("One moment."), *calls, usage]


async def test_a_model_that_must_not_call_does_not(row: ModelRow) -> None:
    """Even when the vendor does as it likes."""
    wire = row.writer()
    call = ToolCall(id="c1", name="book")
    steps = (*wire.text("Booked."), *wire.calls([call]), *wire.end(None))
    async with lab([streamed(*steps)]) as vendor:
        assert await gathered(row.make(vendor.url).stream(HELLO, [BOOK], may_call=False)) == [Text("Booked.")]


async def test_an_empty_reply_is_no_error(row: ModelRow) -> None:
    """What to do about silence is the engine's to decide."""
    async with lab([said(row)]) as vendor:
        assert await gathered(row.make(vendor.url).stream(HELLO)) == []


async def test_closing_hangs_up_at_once(row: ModelRow) -> None:
    """After a barge-in the vendor's socket is closed before the generator is."""
    wire = row.writer()
    async with lab([streamed(*wire.text("I was going"), Await(asyncio.Event()))]) as vendor:
        stream = row.make(vendor.url).stream(HELLO)
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(PROMPT_S):
            await vendor.requests[0].gone.wait()


@pytest.mark.parametrize("begun", [False, True])
async def test_cancelling_the_consumer_hangs_up_at_once(row: ModelRow, begun: bool) -> None:
    """Before the first word as well as between two."""
    wire = row.writer()
    steps = (*wire.text("I was going"),) if begun else ()
    async with lab([streamed(*steps, Await(asyncio.Event()))]) as vendor:
        consumer = asyncio.create_task(gathered(row.make(vendor.url).stream(HELLO)))
        await vendor.arrived.wait()
        consumer.cancel()
        async with asyncio.timeout(PROMPT_S):
            await vendor.requests[0].gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await consumer


async def test_a_connection_is_used_again(row: ModelRow) -> None:
    """Warming opens it, and one call's requests and the next call's follow on it."""
    async with lab(lambda request: in_json({}) if request.method == "GET" else said(row, "Yes.")) as vendor:
        model, another_calls = row.make(vendor.url), row.make(vendor.url)
        await model.warm()
        assert vendor.connections == 1
        for each in (model, model, another_calls):
            assert words(await gathered(each.stream(HELLO))) == "Yes."
        await model.warm()
        assert vendor.connections == 1


async def test_calls_do_not_wait_for_each_other(row: ModelRow) -> None:
    """Thirty replies under way at once, each with its own words."""
    together = asyncio.Event()

    def script(request: Request) -> Answer:
        if len(vendor.requests) == 30:
            together.set()
        asked = re.findall(rb"#[0-9]+#", request.body)[-1].decode()
        return replace(said(row, asked), before=(Await(together),))

    async with lab(script) as vendor:
        model = row.make(vendor.url)
        streams = [model.stream([ChatMessage(role="user", text=f"#{number}#")]) for number in range(30)]
        replies = await asyncio.gather(*(gathered(stream) for stream in streams))
        assert [words(reply) for reply in replies] == [f"#{number}#" for number in range(30)]


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_warming_takes_any_answer(row: ModelRow, status: int) -> None:
    """It is only about the connection."""
    async with lab([in_json({"error": "nothing here"}, status)]) as vendor:
        await row.make(vendor.url).warm()
        assert vendor.connections == 1


async def test_warming_a_dead_vendor_is_quiet(row: ModelRow) -> None:
    """The first request will tell."""
    async with lab([]) as vendor:
        url = vendor.url
    await row.make(url).warm()


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, BadReply, False),
        (401, Unauthorized, False),
        (402, NoCredit, False),
        (403, Unauthorized, False),
        (404, NotOffered, False),
        (408, TimedOut, True),
        (409, Unavailable, True),
        (413, BadReply, False),
        (422, BadReply, False),
        (429, RateLimited, True),
        (500, Unavailable, True),
        (502, Unavailable, True),
        (503, Unavailable, True),
        (504, TimedOut, True),
        (529, Unavailable, True),
    ],
)
async def test_a_refusal_has_its_class(row: ModelRow, status: int, kind: type[ProviderError], retryable: bool) -> None:
    """The vendor's own words are passed on, its name as well, our key never."""
    refused = in_json({"error": {"message": f"no, {KEY} may not", "type": "x", "code": "y"}}, status)
    async with lab([refused]) as vendor:
        with pytest.raises(ProviderError) as raised:
            await gathered(row.make(vendor.url).stream(HELLO))
    assert type(raised.value) is kind
    assert raised.value.retryable is retryable
    assert raised.value.provider == row.make(vendor.url).provider
    assert "may not" in str(raised.value)
    assert KEY not in f"{raised.value!r} {raised.value.hint}"


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[1]", b'{"error": 7}', b"[" * 50_000, b"x" * 200_000])
async def test_a_refusal_need_not_make_sense(row: ModelRow, body: bytes) -> None:
    """The status is enough."""
    async with lab([Answer(status=503, steps=(body,) if body else ())]) as vendor:
        with pytest.raises(Unavailable, match="503"):
            await gathered(row.make(vendor.url).stream(HELLO))


async def test_a_refusal_that_never_ends_is_not_waited_for(row: ModelRow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of an error has a moment to arrive, no more."""
    monkeypatch.setattr("patter_cli.providers.exchange.ERROR_BODY_S", 0.02)
    async with lab([Answer(status=500, steps=(b'{"error":', Await(asyncio.Event())))]) as vendor:
        with pytest.raises(Unavailable):
            await gathered(row.make(vendor.url).stream(HELLO))
        async with asyncio.timeout(PROMPT_S):
            await vendor.requests[0].gone.wait()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({}, None),
    ],
)
async def test_a_rate_limit_says_when_to_come_back(
    row: ModelRow, headers: dict[str, str], seconds: float | None
) -> None:
    """In seconds, milliseconds or as a date; garbage is as good as nothing."""
    async with lab([in_json({"error": {"message": "slow down"}}, 429, **headers)]) as vendor:
        with pytest.raises(RateLimited, match="slow down") as raised:
            await gathered(row.make(vendor.url).stream(HELLO))
    assert raised.value.retry_after_s == seconds


async def test_no_credit_is_not_a_rate_limit(row: ModelRow) -> None:
    """It has the same status, but waiting does not help."""
    refused = in_json({"error": {"message": "quota", "code": "insufficient_quota"}}, 429, retry_after="1")
    async with lab([refused]) as vendor:
        with pytest.raises(ProviderError, match="credit") as raised:
            await gathered(row.make(vendor.url).stream(HELLO))
    assert not raised.value.retryable


async def test_nobody_at_home(row: ModelRow) -> None:
    """A closed port is an unavailable vendor."""
    async with lab([]) as vendor:
        url = vendor.url
    with pytest.raises(Unavailable, match="cannot be reached"):
        await gathered(row.make(url).stream(HELLO))


@pytest.mark.parametrize("begun", [False, True])
async def test_a_reply_has_its_time(row: ModelRow, begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that goes on saying nothing is given up, and its socket closed."""
    wire = row.writer()
    monkeypatch.setattr("patter_cli.providers.exchange.TOTAL_S", 0.3)
    steps = (*wire.text("Well "),) if begun else ()
    async with lab([streamed(*steps, Await(asyncio.Event()))]) as vendor:
        with pytest.raises(TimedOut):
            await gathered(row.make(vendor.url).stream(HELLO))
        async with asyncio.timeout(PROMPT_S):
            await vendor.requests[0].gone.wait()


@pytest.mark.parametrize("abruptly", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_reply_broken_off_is_not_a_reply(row: ModelRow, abruptly: bool, chunked: bool) -> None:
    """The words so far arrive, then an error; a call that was half told does not arrive at all."""
    wire = row.writer()
    well = wire.text("Well ")
    *half, last = wire.calls([ToolCall(id="c1", name="book", arguments='{"at": "18:00"}')])
    answer = Answer(steps=(*well, *half, last[: len(last) // 2], Cut(abruptly)), chunked=chunked)
    heard: list[Delta] = []

    async def listen(stream: AsyncGenerator[Delta, None]) -> None:
        async for each in stream:
            heard.append(each)

    async with lab([answer]) as vendor:
        with pytest.raises(Unavailable):
            await listen(row.make(vendor.url).stream(HELLO, [BOOK]))
    # An abrupt end may take what was sent just before with it.
    assert heard == [Text("Well ")] or (abruptly and not heard)


@pytest.mark.parametrize("after", ["[DONE]", "the last word"])
async def test_an_end_that_is_not_an_end_is_not_waited_for(
    row: ModelRow, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the reply is over, a body that stays open or breaks neither holds it up nor spoils it."""
    wire = row.writer()
    monkeypatch.setattr("patter_cli.providers.exchange.AFTERWARDS_S", 0.02)
    steps = [*wire.text("Yes."), *wire.calls([ToolCall(id="c1", name="book")]), *wire.end(None)]
    if after == "the last word" and row.afterwards:
        steps.pop()
    async with lab([streamed(*steps, Await(asyncio.Event())), streamed(*steps, Cut())]) as vendor:
        for _ in range(2):
            heard = await gathered(row.make(vendor.url).stream(HELLO, [BOOK]))
            assert unsealed(heard) == [Text("Yes."), ToolCall(id="c1", name="book")]
        assert vendor.requests[0].gone.is_set()


async def test_an_error_in_the_middle_is_an_error(row: ModelRow) -> None:
    """After HTTP 200 and some words."""
    wire = row.writer()
    async with lab([streamed(*wire.text("Well "), row.vendor().error_inside())]) as vendor:
        with pytest.raises(Unavailable, match="overloaded"):
            await gathered(row.make(vendor.url).stream(HELLO))


@pytest.mark.parametrize(
    "junk",
    [
        b"data: {\n\n",
        b"data: null\n\n",
        b"data: [1]\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: " + b"x" * (5 << 20) + b"\n\n",
        b"data: " + b"x" * (5 << 20),
        b"data: \x00\n\n",
    ],
    ids=lambda junk: str(junk[:60]),
)
async def test_nonsense_is_refused(row: ModelRow, junk: bytes) -> None:
    """Never an exception of ours or of a library's; and whoever keeps the error does not keep the connection."""
    wire = row.writer()
    async with lab([streamed(*wire.text("Well "), junk, Await(asyncio.Event()))]) as vendor:
        stream = row.make(vendor.url).stream(HELLO)
        assert await anext(stream) == Text("Well ")
        with pytest.raises(BadReply) as kept:
            await gathered(stream)
        async with asyncio.timeout(PROMPT_S):
            await vendor.requests[0].gone.wait()
        assert kept.value.provider == row.make(vendor.url).provider


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
async def test_a_page_is_not_a_stream(row: ModelRow, kind: str) -> None:
    """As when the address is that of the vendor's web site."""
    page = Answer(headers=(("content-type", f"{kind}; charset=utf-8"),), steps=(b"<html>welcome</html>",))
    async with lab([page]) as vendor:
        with pytest.raises(BadReply, match=kind) as raised:
            await gathered(row.make(vendor.url).stream(HELLO))
    assert "base_url" in raised.value.hint


async def test_an_error_with_a_good_status_is_an_error(row: ModelRow) -> None:
    """Some gateways answer 200 to everything."""
    async with lab([in_json({"error": {"message": "all busy", "code": 503}})]) as vendor:
        with pytest.raises(Unavailable, match="all busy"):
            await gathered(row.make(vendor.url).stream(HELLO))


async def test_a_compressed_stream_is_refused(row: ModelRow) -> None:
    """It was not asked for, and would come in lumps."""
    headers = (("content-type", "text/event-stream"), ("content-encoding", "gzip"))
    async with lab([Answer(headers=headers, steps=(b"\x1f\x8b",))]) as vendor:
        with pytest.raises(BadReply, match="packed"):
            await gathered(row.make(vendor.url).stream(HELLO))


async def test_letters_may_be_cut_anywhere(row: ModelRow) -> None:
    """The chunks of the transport have nothing to do with the letters of a language."""
    wire = row.writer()
    whole = b"".join((*wire.text("Grüße, 東京 👋"), *wire.end(None)))
    async with lab([streamed(*(whole[place : place + 1] for place in range(len(whole))))]) as vendor:
        assert words(await gathered(row.make(vendor.url).stream(HELLO))) == "Grüße, 東京 👋"


async def test_the_key_is_sent_and_never_shown(row: ModelRow) -> None:
    """In a header, and nowhere in what can be printed."""
    async with lab([said(row, "Yes.")]) as vendor:
        model: LanguageModel = row.make(vendor.url)
        await gathered(model.stream(HELLO))
        assert any(KEY in value for value in vendor.requests[0].headers.values())
        assert KEY not in repr(model)


async def test_nothing_is_left_behind(row: ModelRow) -> None:
    """After a reply, a closed one and a refused one, no task of ours is still there."""
    wire = row.writer()
    answers = [said(row, "Yes."), streamed(*wire.text("No"), Await(asyncio.Event())), in_json({}, 500)]
    async with lab(answers) as vendor:
        before = asyncio.all_tasks()
        model = row.make(vendor.url)
        await gathered(model.stream(HELLO))
        stream = model.stream(HELLO)
        await anext(stream)
        await stream.aclose()
        with pytest.raises(Unavailable):
            await gathered(model.stream(HELLO))
        await vendor.requests[1].gone.wait()
        ours = {each for each in asyncio.all_tasks() - before if "testing/vendors/" not in repr(each)}
        assert not {each for each in ours if not each.done()}
