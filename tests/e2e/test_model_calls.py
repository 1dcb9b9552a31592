"""A call whose language model is a vendor on a real socket: what its caller hears, when all is well and when not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from patter_cli import OpenAICompatibleLLM, tool
from patter_cli.core import events as fact
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.vendors.server import Answer, Await, Cut, LabServer, Request, Script, in_json, serve, streamed
from tests.e2e.conftest import SENTENCES, Caller, agent, answering

QUESTION, STOP, GOODBYE, PUT_THROUGH, _, PRICE = SENTENCES
WELL = "We open at nine."
LINES = SystemPhrases()
QUIET_MS = 4500
"""Four seconds, and what a busy machine may add; in virtual time the four are exact (tests/fuzz)."""
FRONT_DESK = "+12025550142"


def chunk(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def done(reason: str = "stop") -> bytes:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    return b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n"


def says(text: str) -> Answer:
    return streamed(*(chunk(content=word + " ") for word in text.split()), done())


def calls(name: str, arguments: str, before: str = "") -> Answer:
    call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": name, "arguments": arguments}}
    words = [chunk(content=before)] if before else []
    return streamed(*words, chunk(tool_calls=[call]), done("tool_calls"))


def failing(status: int, kind: str, **headers: str) -> Answer:
    return in_json({"error": {"message": "no", "type": kind, "code": kind}}, status, **headers)


def in_turn(*answers: Answer) -> Script:
    """One answer a request for a reply, the last one for ever; requests to warm up are not counted."""
    left = list(answers)

    def script(request: Request) -> Answer:
        if request.method == "GET":
            return in_json({"data": []})
        return left.pop(0) if len(left) > 1 else left[0]

    return script


def after(seconds: float, then: Answer) -> Answer:
    """The same, but its body comes late."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    return Answer(steps=(Await(event), *then.steps))


@tool
def prices(treatment: str, rooms: int = 1) -> str:
    """Say what a treatment costs."""
    return f"{treatment} is sixty dollars"


@tool
def breaks(treatment: str = "") -> str:
    """Fail with a secret in its words."""
    raise RuntimeError("postgres://admin:hunter2@db/prices")


ENDLESS = streamed(*(chunk(content="And another thing to tell you. ") for _ in range(3000)))

CASES: dict[str, tuple[Callable[[], Sequence[Answer]], str]] = {
    "all well": (lambda: [says(WELL)], WELL),
    "a tool": (lambda: [calls("prices", '{"treatment": "A crown"}'), says("It is sixty dollars.")], "sixty dollars"),
    "words before a tool": (
        lambda: [calls("prices", '{"treatment": "A crown"}', "Let me look. "), says("It is sixty.")],
        "let me look. it is sixty.",
    ),
    "an unknown tool": (lambda: [calls("fly", "{}"), says("I can't do that.")], "i can't do that"),
    "bad arguments": (lambda: [calls("prices", '{"treatment": '), says("Which treatment?")], "which treatment"),
    "null arguments": (lambda: [calls("prices", "null"), says("Which treatment?")], "which treatment"),
    "extra arguments": (
        lambda: [calls("prices", '{"treatment": "x", "rooms": "many", "y": 1}'), says("Which one?")],
        "which one",
    ),
    "a tool that raises": (lambda: [calls("breaks", "{}"), says("I could not look it up.")], "could not look it up"),
    "a tool for ever": (lambda: [calls("prices", '{"treatment": "x"}')], LINES.no_answer),
    "401": (lambda: [failing(401, "authentication_error")], LINES.trouble),
    "429 and again in a second": (lambda: [failing(429, "rate_limit", retry_after="1"), says(WELL)], WELL),
    "503 once": (lambda: [failing(503, "server_error"), says(WELL)], WELL),
    "503 for ever": (lambda: [failing(503, "server_error")], LINES.apology),
    "429 and again in half a minute": (lambda: [failing(429, "rate_limit", retry_after="30")], LINES.apology),
    "garbage": (lambda: [streamed(b"data: {nonsense\n\n")], LINES.apology),
    "not a stream": (lambda: [in_json(["what"])], LINES.apology),
    "an error in the stream": (lambda: [streamed(b'data: {"error": {"message": "x"}}\n\n')], LINES.apology),
    "nothing": (lambda: [streamed(done())], LINES.no_answer),
    "emoji only": (lambda: [says("😀😀")], LINES.no_answer),
    "no finish marker": (lambda: [streamed(chunk(content=WELL))], WELL),
    "cut before a word": (lambda: [streamed(Cut()), says(WELL)], WELL),
    "cut in a sentence": (
        lambda: [streamed(chunk(content="We open at nine. And we cl"), Cut())],
        f"{WELL}{LINES.apology}",
    ),
    "slow": (lambda: [after(4.5, says(WELL))], f"{LINES.filler}{WELL}"),
    "cold": (lambda: [after(8, says(WELL))], WELL),
    "hangs": (lambda: [after(60, says(WELL))], LINES.apology),
    "stalls": (lambda: [Answer(steps=(chunk(content=f"{WELL} "), *after(60, says("x")).steps))], LINES.apology),
    "endless": (lambda: [ENDLESS], LINES.go_on),
    "markup": (lambda: [says("**We** open at [nine](https://example.com) 😀.")], "we open at nine"),
}


def heard_in(ear: str) -> str:
    """What came out of the earpiece, without the gaps between clauses."""
    return ear.replace(" ", "")


async def call_with(stack: AsyncExitStack, name: str) -> tuple[LabServer, str]:
    answers, words = CASES[name]
    return await stack.enter_async_context(serve(in_turn(*answers()))), words


async def test_whatever_the_model_does_its_caller_hears_something_sensible(quiet_log: None) -> None:
    """Every fault of a model, each in its own call and all at once: no silence over four seconds, the right words."""
    async with AsyncExitStack() as stack:
        peers = {name: await call_with(stack, name) for name in CASES}
        agents = {
            name.replace(" ", "-"): (
                agent(llm=OpenAICompatibleLLM(vendor.url, "m"), tools=[prices, breaks]),
                Hooks(),
            )
            for name, (vendor, _) in peers.items()
        }
        phone = await stack.enter_async_context(answering(agents))
        failures: list[str] = []

        async def one(name: str, words: str) -> None:
            async with Caller(phone, name.replace(" ", "-")) as caller:
                await caller.say(QUESTION)
                wanted = heard_in(words.lower())
                try:
                    await caller.until(lambda: wanted in heard_in(caller.ear.text) or caller.over(), 45)
                except AssertionError as error:
                    failures.append(f"{name}: {error}")
                if wanted not in heard_in(caller.ear.text):
                    failures.append(f"{name}: {caller.ear.text!r} {caller.transcript()} {caller.over()}")
                if caller.longest_wait_ms() > QUIET_MS:
                    failures.append(f"{name}: {caller.longest_wait_ms():.0f} ms of silence")
                if "hunter2" in json.dumps([each.body.decode() for each in peers[name][0].requests]):
                    failures.append(f"{name}: what the tool raised reached the model")

        await asyncio.gather(*(one(name, words) for name, (_, words) in peers.items()))
        assert not failures, "\n".join(failures)


async def test_a_model_that_is_down_is_replaced_by_the_next() -> None:
    """llm=[first, second]: the caller hears the second and never learns of the first."""
    async with serve(in_turn(failing(503, "down"))) as first, serve(in_turn(says(WELL))) as second:
        models = [OpenAICompatibleLLM(first.url, "a"), OpenAICompatibleLLM(second.url, "b")]
        async with answering({"a": (agent(llm=models), Hooks())}) as phone, Caller(phone, "a") as caller:
            await caller.say(QUESTION)
            await caller.until_heard(WELL)


async def test_an_interruption_hangs_up_on_the_model() -> None:
    """The vendor's connection is closed at once: what is not wanted is not paid for."""
    hold = asyncio.Event()
    first = Answer(steps=(chunk(content="We open at nine in the morning and close at six. And"), Await(hold)))
    async with serve(in_turn(first, says("Mill Lane."))) as vendor:
        model = OpenAICompatibleLLM(vendor.url, "m")
        async with answering({"a": (agent(llm=model), Hooks())}) as phone, Caller(phone, "a") as caller:
            await caller.say(QUESTION)
            await caller.until_heard("we open")
            replies = [request for request in vendor.requests if request.method == "POST"]
            await caller.say(STOP, 900)
            async with asyncio.timeout(2):
                await replies[-1].gone.wait()
            await caller.until_heard("mill lane")
            heard = next(text for role, text in caller.transcript() if role == "assistant")
            messages = vendor.requests[-1].json["messages"]
            assert {"role": "assistant", "content": heard} in messages, (
                "the model reads what was heard, not what it said"
            )
            assert "six" not in heard
        hold.set()


async def test_tools_and_usage_are_on_the_wire_and_in_the_journal() -> None:
    """The tool's result goes back in the order the vendor demands; what it cost is an event."""
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 81, "completion_tokens": 7}}\n\n'
    answer = streamed(chunk(content="Sixty dollars. "), done()[: -len(b"data: [DONE]\n\n")], usage, b"data: [DONE]\n\n")
    async with serve(in_turn(calls("prices", '{"treatment": "A crown"}'), answer)) as vendor:
        quick = agent(llm=OpenAICompatibleLLM(vendor.url, "m"), tools=[prices], transfer_numbers=[FRONT_DESK])
        async with answering({"a": (quick, Hooks())}) as phone, Caller(phone, "a") as caller:
            await caller.say(PRICE)
            await caller.until_heard("sixty")
            await caller.until(lambda: len(caller.transcript()) >= 3)
            second = [request.json for request in vendor.requests if request.method == "POST"][-1]
            assert [each["role"] for each in second["messages"]] == ["system", "user", "assistant", "tool"]
            assert json.loads(second["messages"][-1]["content"]) == {"ok": True, "data": "A crown is sixty dollars"}
            names = {each["function"]["name"] for each in second["tools"]}
            assert names == {"prices", "transfer_call", "end_call"}
            used = [each.event for each in caller.entries if isinstance(each.event, fact.ModelUsed)]
            assert (used[-1].input_tokens, used[-1].output_tokens) == (81, 7)
            assert [role for role, _ in caller.transcript()] == ["user", "tool", "assistant"]


async def test_end_call_hangs_up_after_the_goodbye() -> None:
    """The caller hears all of it first."""
    async with serve(in_turn(calls("end_call", "{}", "Thank you for calling. Goodbye!"))) as vendor:
        model = OpenAICompatibleLLM(vendor.url, "m")
        async with answering({"a": (agent(llm=model), Hooks())}) as phone, Caller(phone, "a") as caller:
            await caller.say(GOODBYE)
            await caller.until_over()
            assert "goodbye!" in caller.ear.text


async def test_what_a_call_costs_is_in_its_record(tmp_path: Path) -> None:
    """Every leg with what it used; an unknown price is null, as is the sum. A tool acts once its line is on disk."""
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 81, "completion_tokens": 7}}\n\n'
    answer = streamed(chunk(content="Sixty dollars. "), done()[: -len(b"data: [DONE]\n\n")], usage, b"data: [DONE]\n\n")
    on_disk: list[bool] = []
    metrics: list[Any] = []

    @tool
    def look_up(treatment: str) -> str:
        """Say what a treatment costs."""
        (journal,) = tmp_path.rglob("journal.jsonl")
        on_disk.append('"type":"RunTool"' in journal.read_text())
        return "sixty dollars"

    async with serve(in_turn(calls("look_up", '{"treatment": "A crown"}'), answer)) as vendor:
        quick = agent("Hello.", llm=OpenAICompatibleLLM(vendor.url, "m"), tools=[look_up])
        hooks = Hooks(on_metrics=metrics.append)
        async with answering({"a": (quick, hooks)}, store=SqliteStore(tmp_path)) as phone:
            async with Caller(phone, "a") as caller:
                await caller.until_heard("hello.")
                await caller.say(PRICE)
                await caller.until_heard("sixty")
                await caller.until(lambda: len(metrics) == 1)
            await caller.until(lambda: list(tmp_path.rglob("record.json")) != [])
    (path,) = tmp_path.rglob("record.json")
    cost = json.loads(path.read_text())["cost"]
    legs = {each["leg"]: each for each in cost["legs"]}
    assert set(legs) == {"stt", "tts", "llm", "telephony"}
    assert legs["llm"] == {
        "leg": "llm",
        "provider": "openai-compatible",
        "model": "m",
        "estimated": True,
        "input_tokens": legs["llm"]["input_tokens"],
        "output_tokens": legs["llm"]["output_tokens"],
        "usd": None,
    }
    assert legs["llm"]["input_tokens"] > 81
    assert legs["tts"]["characters"] == len("Sixty dollars.")  # the greeting was ready
    assert 500 < legs["stt"]["audio_ms"] <= legs["telephony"]["audio_ms"]
    assert (legs["telephony"]["provider"], legs["telephony"]["usd"]) == ("loopback", 0.0)
    assert cost["usd"] is None
    assert cost["known_usd"] == 0.0
    assert metrics[0].cost["usd"] is None
    assert on_disk == [True]
