"""Language models at their worst, vendor by vendor: cut anywhere, left at any moment, failing in their own words."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from patter_cli.contracts.llm import Delta, Text, ToolCall, Usage
from patter_cli.errors import BadReply, NotOffered, ProviderError, RateLimited, TimedOut, Unauthorized, Unavailable
from patter_cli.testing.vendors.faults import SLOW_S, Fault, Faulty
from patter_cli.testing.vendors.llm.said import Over, Said, pieces
from patter_cli.testing.vendors.server import Answer, Await, serve, streamed
from tests.contract.conversations import ASKS, CALLS, DONE, GREETED, LATER, TOOLS, answered
from tests.contract.rows import KEY, MODELS, ModelRow

PROMPT_S = 1.0
by_vendor = pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name)


async def gathered(stream: AsyncGenerator[Delta, None]) -> list[Delta]:
    """Everything, to the end."""
    return [each async for each in stream]


def told(deltas: list[Delta]) -> tuple[str, list[tuple[str, str]], list[Usage]]:
    """What matters of a reply: its words, its calls, what it took."""
    words = "".join(each.text for each in deltas if isinstance(each, Text))
    calls = [(each.name, each.arguments) for each in deltas if isinstance(each, ToolCall)]
    return words, calls, [each for each in deltas if isinstance(each, Usage)]


@by_vendor
async def test_pieces_of_any_size_make_the_same_reply(row: ModelRow) -> None:
    """The wire may be cut between any two bytes, and nothing depends on where."""
    whole = b"".join(pieces(row.writer(), ASKS))
    dice = random.Random(row.name)
    cuts: list[tuple[bytes, ...]] = [(whole,), tuple(whole[at : at + 1] for at in range(len(whole)))]
    for _ in range(30):
        edges = sorted(dice.sample(range(1, len(whole)), dice.randint(1, 40)))
        cuts.append(tuple(whole[a:b] for a, b in zip([0, *edges], [*edges, len(whole)], strict=True)))
    async with serve([streamed(*cut) for cut in cuts], path="") as lab:
        model = row.make(lab.url)
        replies = [told(await gathered(model.stream(GREETED, TOOLS))) for _ in cuts]
    words, calls, usage = replies[0]
    assert all(reply == (words, calls, usage) for reply in replies)
    assert (words, calls) == ("One moment. ", [(each.name, each.arguments) for each in CALLS])
    assert (usage[0].input_tokens, usage[0].output_tokens, usage[0].cached_tokens) == (812, 31, 768)


@by_vendor
async def test_it_can_be_left_at_any_moment(row: ModelRow) -> None:
    """However much has come, whoever stops listening closes the vendor's socket at once; closing twice is fine."""
    steps = pieces(row.writer(), ASKS)
    answers = [Answer(steps=(*steps[:place], Await(asyncio.Event()))) for place in range(len(steps) - 1)]
    async with serve([each for each in answers for _ in range(2)], path="") as lab:
        model = row.make(lab.url)
        for _ in answers:
            consumer = asyncio.create_task(gathered(model.stream(GREETED, TOOLS)))
            await asyncio.sleep(0.005)
            consumer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consumer
            async with aclosing(model.stream(GREETED, TOOLS)) as stream:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await gathered(stream)
                await stream.aclose()
        for request in lab.requests:
            async with asyncio.timeout(PROMPT_S):
                await request.gone.wait()
    left = {each for each in asyncio.all_tasks() - {asyncio.current_task()} if "testing/vendors/" not in repr(each)}
    assert not {each for each in left if not each.done()}


@by_vendor
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.KEY_REFUSED, Unauthorized),
        (Fault.NO_CREDIT, None),
        (Fault.NOT_FOUND, NotOffered),
        (Fault.INVALID, BadReply),
        (Fault.RATE_LIMITED, RateLimited),
        (Fault.OVERLOADED, Unavailable),
        (Fault.BROKEN, Unavailable),
        (Fault.HALF_OPEN, TimedOut),
        (Fault.STALLS, TimedOut),
        (Fault.CUT, Unavailable),
        (Fault.LEAVES, Unavailable),
        (Fault.ERROR_INSIDE, Unavailable),
    ],
    ids=lambda each: each.value if isinstance(each, Fault) else "",
)
async def test_a_failure_in_its_own_words_has_its_class(
    row: ModelRow, fault: Fault, kind: type[ProviderError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each vendor refuses, stops and breaks in its own way, and the engine is told the same of all of them."""
    monkeypatch.setattr("patter_cli.providers.exchange.TOTAL_S", 0.25)
    vendor = Faulty(row.vendor([DONE], key=KEY), fault)
    async with serve(vendor, path="") as lab:
        with pytest.raises(ProviderError) as raised:
            await gathered(row.make(lab.url).stream(GREETED, TOOLS))
    assert type(raised.value) is (kind or row.no_credit)
    assert raised.value.provider == row.vendor.name
    assert KEY not in f"{raised.value!r} {raised.value.hint}"
    if fault is Fault.RATE_LIMITED:
        assert raised.value.retry_after_s == 1.0


@by_vendor
@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.TRICKLE], ids=lambda fault: fault.value)
async def test_slow_is_not_wrong(row: ModelRow, fault: Fault) -> None:
    """A late answer, or one that comes byte by byte, is an answer."""
    began = asyncio.get_running_loop().time()
    async with serve(Faulty(row.vendor([DONE], key=KEY), fault), path="") as lab:
        assert told(await gathered(row.make(lab.url).stream(GREETED)))[0] == DONE.words
    assert fault is not Fault.SLOW or asyncio.get_running_loop().time() - began >= SLOW_S


@by_vendor
async def test_garbage_inside_is_noticed_or_passed_over(row: ModelRow) -> None:
    """What is no event is none of ours to judge; the reply around it is whole, or an error says that it is not."""
    async with serve(Faulty(row.vendor([DONE], key=KEY), Fault.GARBAGE), path="") as lab:
        assert told(await gathered(row.make(lab.url).stream(GREETED)))[0] == DONE.words


@by_vendor
async def test_a_reply_that_is_declined_is_no_reply(row: ModelRow) -> None:
    """Without a word of it there is nothing to say, and another model may be asked; what was said is said."""
    declined = Said("", over=Over.DECLINED)
    async with serve(row.vendor([declined, Said("I would rather not.", over=Over.DECLINED)], key=KEY), path="") as lab:
        model = row.make(lab.url)
        with pytest.raises(BadReply, match="declined"):
            await gathered(model.stream(GREETED))
        assert told(await gathered(model.stream(GREETED)))[0] == "I would rather not."


@by_vendor
async def test_a_reply_at_its_limit(row: ModelRow) -> None:
    """Its words are spoken as far as they go; a reply that was all thinking is an error that says what to raise."""
    replies = [Said("We open at", over=Over.LIMIT), Said("", over=Over.LIMIT, thought="Hm.")]
    async with serve(row.vendor(replies, key=KEY), path="") as lab:
        model = row.make(lab.url)
        assert told(await gathered(model.stream(GREETED)))[0] == "We open at"
        with pytest.raises(BadReply, match="limit") as raised:
            await gathered(model.stream(GREETED))
    assert "max_output_tokens" in raised.value.hint


@by_vendor
async def test_a_seal_goes_back_with_its_call(row: ModelRow) -> None:
    """What the vendor wants back comes back unchanged, and is in nothing that is printed."""
    vendor = row.vendor([ASKS, DONE], key=KEY)
    async with serve(vendor, path="") as lab:
        model = row.make(lab.url)
        calls = tuple(each for each in await gathered(model.stream(GREETED, TOOLS)) if isinstance(each, ToolCall))
        assert bool(calls[0].seal) is row.seals
        assert not calls[0].seal or calls[0].seal not in repr(calls[0])
        await gathered(model.stream((*GREETED, *answered(calls)), TOOLS))
        changed = tuple(ToolCall(id=each.id, name=each.name, arguments=each.arguments, seal="[1") for each in calls)
        await gathered(model.stream((*GREETED, *answered(changed), *LATER), TOOLS))
    assert vendor.refused == []


@by_vendor
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux says what is open")
def test_no_file_is_left_open(row: ModelRow) -> None:
    """When the loop is over, neither a socket nor anything else of a whole reply, one that was left and a refused one
    is open."""

    async def story() -> None:
        hangs = Answer(steps=(*row.writer().text("I was"), Await(asyncio.Event())))
        whole = row.vendor([DONE], key=KEY)
        answers = iter((whole, lambda request: hangs, lambda request: whole.refusal(Fault.BROKEN)))
        async with serve(lambda request: next(answers)(request), path="") as lab:
            model = row.make(lab.url)
            await gathered(model.stream(GREETED))
            stream = model.stream(GREETED)
            await anext(stream)
            await stream.aclose()
            with pytest.raises(Unavailable):
                await gathered(model.stream(GREETED))
            await lab.requests[1].gone.wait()

    asyncio.run(story())  # what is loaded once is loaded
    before = set(os.listdir("/proc/self/fd"))
    asyncio.run(story())
    assert set(os.listdir("/proc/self/fd")) <= before
