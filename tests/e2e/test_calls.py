"""Whole calls over real sockets: what is heard, what is told to the agent's code, what is on disk."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli import LocalSTT, LocalTTS, Patter, wiring
from patter_cli.agent import HangUp, Interrupt, Say
from patter_cli.audio.g711 import decode_ulaw
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.carrier.stream import MediaOut
from patter_cli.contracts.store import CallQuery
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_journal, render_entry, replay
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import NotReachable, PortBusy
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.script import hold_conversation, line_voice
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.conftest import LETTER_MS, SENTENCES, Caller, agent, and_tidy, answering, letters_in, spoken

QUESTION, STOP, GOODBYE, TRANSFER, OKAY, PRICE = SENTENCES
BUSY_MS = 250
"""What a machine with other work may add to a moment."""
LINES = SystemPhrases()


def echo(event: Any) -> str:
    """The plainest agent there is."""
    return f"You said {event.text}"


def words_near(said: str, heard: str) -> bool:
    """Whether two prefixes of one text differ by one word at most."""
    shorter, longer = sorted((said.lower().split(), heard.lower().split()), key=len)
    return longer[: len(shorter) - 1] == shorter[:-1] and len(longer) - len(shorter) <= 1


async def test_a_whole_call_is_heard_and_told() -> None:
    """Greeting, question, answer, goodbye: the line, the callbacks and the end all tell the same call."""
    told: list[tuple[str, Any]] = []

    async def on_message(event: Any) -> AsyncIterator[str]:
        told.append(("message", event))
        if event.text == GOODBYE:
            event.end_call()
            yield "Bye now."
        else:
            yield "From nine "
            yield "until six."

    hooks = Hooks(
        on_message=on_message,
        on_call_start=lambda event: told.append(("start", event)),
        on_transcript=lambda event: told.append(("transcript", event)),
        on_metrics=lambda event: told.append(("metrics", event)),
        on_call_end=lambda event: told.append(("end", event)),
    )
    async with answering({"shop": (agent("Paper Moon, hello!"), hooks)}) as phone, Caller(phone, "shop") as caller:
        await caller.until_heard("paper moon, hello!")
        await caller.say(QUESTION)
        await caller.until_heard("from nine until six.")
        await caller.say(GOODBYE)
        await caller.until_over()
        await caller.until(lambda: told[-1][0] == "end")

    assert caller.ear.text == "paper moon, hello!from nine until six.bye now."
    assert caller.tap.worst_gap_ms() < BUSY_MS
    names = [name for name, _ in told]
    assert names[0] == "start"
    assert names[-1] == "end"
    start, end = told[0][1], told[-1][1]
    keys = {"call_id", "caller", "callee", "direction", "carrier", "custom_params", "agent", "history"}
    assert set(start) == keys
    assert (start.caller, start["callee"], start.direction, start.carrier) == ("shop", "shop", "inbound", "loopback")
    assert {
        *("call_id", "caller", "callee", "direction", "carrier", "custom_params", "agent"),
        *("duration", "outcome", "reason"),
        *("history", "transcript", "metrics", "cost", "recording_path"),
    } == set(end)
    assert (end.outcome, end.reason) == ("answered", "agent")
    lines = [event for name, event in told if name == "transcript"]
    assert [(each.role, each.text) for each in lines] == [
        ("assistant", "Paper Moon, hello!"),
        ("user", QUESTION),
        ("assistant", "From nine until six."),
        ("user", GOODBYE),
        ("assistant", "Bye now."),
    ]
    assert all(set(each) >= {"call_id", "role", "text", "interrupted", "history"} for each in lines)
    assert [len(each.history) for each in lines] == [1, 2, 3, 4, 5]
    assert set(end.history[0]) == {"role", "text", "timestamp"}
    assert abs(end.history[0]["timestamp"] - time.time()) < 60
    messages = [event for name, event in told if name == "message"]
    assert set(messages[0]) == {"call_id", "text", "caller", "callee", "history"}
    assert len({event.call_id for _, event in told}) == 1
    for each in (event for name, event in told if name == "metrics"):
        assert each["total_ms"] == sum(
            value for key, value in each.items() if key.endswith("_ms") and key != "total_ms"
        )


async def test_a_barge_in_silences_at_once_and_the_history_is_what_was_heard() -> None:
    """The line is cleared right after the threshold, nothing old follows, and the cut is where the ear was."""

    async def on_message(event: Any) -> AsyncIterator[str]:
        if event.text == STOP:
            yield "At fourteen Mill Lane."
        else:
            yield "We are open every day of the week but sunday, "
            yield "from nine in the morning to six in the evening, and we are glad to see you."

    hooks = Hooks(on_message=on_message)
    async with answering({"desk": (agent(), hooks)}) as phone:

        async def interrupt_after(number: int) -> Caller:
            async with Caller(phone, "desk", f"caller {number}") as caller:
                await caller.say(QUESTION)
                await caller.until(lambda: caller.line.ear.voiced_ms >= 400 + number * 300)
                said = caller.line.say(spoken(STOP, 700))
                await caller.until(lambda: caller.tap.clears)
                delays.append(caller.tap.clears[0] - said.first_voiced_ms)
                await caller.until_heard("mill lane.")
                await caller.until(lambda: len(caller.transcript()) == 4)
            return caller

        delays: list[float] = []
        callers = await asyncio.gather(*(interrupt_after(number) for number in range(4)))

    print("onset to clear on the wire, ms:", [round(each) for each in delays])
    assert max(delays) <= 300 + 60 + BUSY_MS
    assert min(delays) >= 250
    for caller in callers:
        (_, question), (_, cut), (_, stop), (_, answer) = caller.transcript()
        assert (question, stop, answer) == (QUESTION, STOP, "At fourteen Mill Lane.")
        heard = caller.ear.text.removesuffix("at fourteen mill lane.")
        assert words_near(cut, heard), (cut, heard)
        last_clear = caller.tap.clears[-1]
        after = b"".join(m.payload for at, m in caller.tap.received if isinstance(m, MediaOut) and at > last_clear)
        assert letters_in(decode_ulaw(after)) == "at fourteen mill lane."
        assert len(caller.tap.clears) == 1
        (closed,) = [each for each in caller.entries if isinstance(each.event, fact.LineClosed)]
        assert any(isinstance(each, order.FinishCall) for each in closed.commands)


async def test_noise_holds_the_reply_and_lets_it_go_on() -> None:
    """A sound without words stops the voice for a moment; the reply then goes on and is heard whole."""
    reply = "We are open every day of the week but sunday from nine to six."
    async with (
        answering({"desk": (agent(), Hooks(on_message=lambda event: reply))}) as phone,
        Caller(phone, "desk") as caller,
    ):
        await caller.say(QUESTION)
        await caller.until(lambda: caller.line.ear.voiced_ms >= 300)
        noise = (np.random.default_rng(7).normal(0, 1500, 8 * 450)).clip(-1990, 1990).astype(np.int16)
        caller.line.say(noise)
        await caller.until(lambda: caller.tap.clears)
        await caller.until(lambda: len(caller.transcript()) == 2)
        await caller.line.wait_for(lambda: caller.line.quiet_ms > 300, 3)
    assert caller.transcript() == [("user", QUESTION), ("assistant", reply)]
    again_ms = caller.line.heard_bytes / 8 - len(reply) * LETTER_MS
    assert 0 <= again_ms <= 300  # resumed a little before the break


async def test_on_message_may_be_written_in_any_form() -> None:
    """A string, a coroutine, an async or a sync generator, an object with __call__: all are heard alike."""

    async def coroutine(event: Any) -> str:
        await asyncio.sleep(0)
        return f"You said {event.text}"

    async def pieces(event: Any) -> AsyncIterator[str]:
        yield "You "
        yield "said "
        yield event.text

    def steps(event: Any) -> Iterator[str]:
        yield "You said "
        time.sleep(0.01)
        yield event["text"]

    async def returns_pieces(event: Any) -> AsyncIterator[str]:
        return pieces(event)

    class Callable_:
        def __call__(self, event: Any) -> str:
            return echo(event)

    class Bound:
        async def answer(self, event: Any) -> AsyncIterator[str]:
            yield echo(event)

    forms: list[Any] = [
        echo,
        coroutine,
        pieces,
        steps,
        returns_pieces,
        Callable_(),
        lambda event: coroutine(event),
        Bound().answer,
    ]
    agents = {f"form{number}": (agent(), Hooks(on_message=form)) for number, form in enumerate(forms)}
    async with answering(agents) as phone:

        async def ask(name: str) -> Caller:
            async with Caller(phone, name) as caller:
                await caller.say(PRICE)
                await caller.until(lambda: len(caller.transcript()) == 2)
            return caller

        callers = await asyncio.gather(*map(ask, agents))
    assert [each.ear.text for each in callers] == ["you said how much is a cleaning?"] * len(forms)


async def test_an_on_message_that_fails_is_apologised_for(quiet_log: None) -> None:
    """One that raises, lies about its type, breaks off, says nothing or hangs: the caller hears why, within 4 s."""

    def raises(event: Any) -> str:
        raise ValueError("a bug")

    def lies(event: Any) -> Any:
        return 42

    async def lies_in_pieces(event: Any) -> AsyncIterator[Any]:
        yield "Well, "
        yield 42

    async def breaks_off(event: Any) -> AsyncIterator[str]:
        yield "The price of that is. "
        raise RuntimeError("a bug")

    async def hangs(event: Any) -> str:
        await asyncio.sleep(3600)
        return ""

    def blocks(event: Any) -> str:
        time.sleep(3)
        return "Here I am."

    expected = {
        "raises": (raises, "i'm sorry, something went wrong on my side."),
        "lies": (lies, "i'm sorry, something went wrong on my side."),
        "lies_in_pieces": (lies_in_pieces, "i'm sorry, something went wrong on my side."),
        "breaks_off": (breaks_off, "the price of that is.i'm sorry, something went wrong on my side."),
        "nothing": (lambda event: "", "no answer to that."),
        "none": (lambda event: None, "no answer to that."),
        "hangs": (hangs, "one moment, please."),
        "blocks": (blocks, "one moment, please.here i am."),
    }
    agents = {name: (agent(), Hooks(on_message=hook)) for name, (hook, _) in expected.items()}
    async with answering(agents) as phone:

        async def ask(name: str) -> Caller:
            async with Caller(phone, name) as caller:
                await caller.say(QUESTION)
                await caller.until_heard(expected[name][1])
            return caller

        callers = await asyncio.gather(*map(ask, agents))
    assert {each.name: each.longest_wait_ms() for each in callers if each.longest_wait_ms() > 4000} == {}


async def test_an_interrupted_on_message_is_cancelled() -> None:
    """The caller takes the floor: the generator is closed where it stands, and none of its later words are used."""
    ends: list[str] = []

    async def on_message(event: Any) -> AsyncIterator[str]:
        if event.text == STOP:
            yield "Yes?"
            return
        try:
            yield "This will take me quite some time to tell you about. "
            await asyncio.sleep(3600)
            yield "Never heard."
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        finally:
            ends.append("closed")

    async with answering({"a": (agent(), Hooks(on_message=on_message))}) as phone, Caller(phone, "a") as caller:
        await caller.say(QUESTION)
        await caller.until(lambda: caller.line.ear.voiced_ms >= 300)
        await caller.say(STOP, 700)
        await caller.until_heard("yes?")
    assert ends == ["cancelled", "closed"]


async def test_a_callback_that_will_not_be_cancelled_keeps_no_call_open(quiet_log: None) -> None:
    """Code that swallows its cancellation, in on_message or on_call_start, does not keep the line from closing."""
    stubborn = True

    async def holds_on() -> None:
        while stubborn:
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                pass

    async def on_message(event: Any) -> AsyncIterator[str]:
        if event.text == STOP:
            event.end_call()
            yield "Bye."
            return
        yield "This will take me quite some time to tell you about. "
        await holds_on()

    async def on_call_start(event: Any) -> None:
        await holds_on()

    agents = {
        "message": (agent(), Hooks(on_message=on_message)),
        "start": (agent("Hello."), Hooks(on_message=on_message, on_call_start=on_call_start)),
    }
    async with answering(agents) as phone:
        async with Caller(phone, "message") as one, Caller(phone, "start") as other:
            await asyncio.gather(one.say(QUESTION), other.until_heard("hello."))
            await one.until(lambda: one.line.ear.voiced_ms >= 300)
            await asyncio.gather(one.say(STOP, 700), other.say(STOP, 700))
            await asyncio.gather(one.until_over(6), other.until_over(6))
        stubborn = False
        await asyncio.sleep(0.3)
    assert (one.over(), other.over()) != (None, None)


async def test_a_callback_that_exits_ends_neither_the_process_nor_its_call(quiet_log: None) -> None:
    """sys.exit() in a callback, sync or async, is an error like any other."""

    def exits(event: Any) -> str:
        raise SystemExit(3)

    async def exits_async(event: Any) -> str:
        raise SystemExit(3)

    names = ("on_call_start", "on_transcript", "on_message", "on_metrics", "on_call_end")
    agents = {
        "sync": (agent("Hello."), Hooks(**dict.fromkeys(names, exits))),
        "async": (agent("Hello."), Hooks(**dict.fromkeys(names, exits_async))),
    }
    async with answering(agents) as phone:

        async def ask(name: str) -> Caller:
            async with Caller(phone, name) as caller:
                await caller.until_heard("hello.")
                await caller.say(QUESTION)
                await caller.until_heard("something went wrong on my side.")
            return caller

        await asyncio.gather(*map(ask, agents))


async def test_on_call_start_changes_this_call_only(quiet_log: None) -> None:
    """Overrides hold for the call they were given for; what raises, hangs or lies leaves the agent as written."""

    async def hangs(event: Any) -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {}

    def raises(event: Any) -> dict[str, Any]:
        raise ValueError("a bug")

    def overrides(event: Any) -> dict[str, Any]:
        return {"first_message": "Hello {who}, {greeting}.", "variables": {"who": event.custom_params["who"]}}

    starts = {
        "overrides": (overrides, "hello ada, good day."),
        "none": (lambda event: None, "plain bob, good day."),
        "raises": (raises, "plain bob, good day."),
        "hangs": (hangs, "plain bob, good day."),
        "lies": (lambda event: 42, "plain bob, good day."),
        "unknown": (lambda event: {"colour": "red"}, "plain bob, good day."),
        "wrong": (lambda event: {"variables": 7}, "plain bob, good day."),
    }
    variables = {"who": "Bob", "greeting": "good day"}
    agents = {
        name: (agent("Plain {who}, {greeting}.", variables=variables), Hooks(on_call_start=hook, on_message=echo))
        for name, (hook, _) in starts.items()
    }
    async with answering(agents) as phone:

        async def listen(name: str) -> tuple[str, float]:
            caller = Caller(phone, name)
            if name == "overrides":
                caller.line._parameters["who"] = "Ada"
            async with caller:
                await caller.until_heard("good day.")
                return caller.ear.text, caller.line.now_ms

        heard = dict(zip(agents, await asyncio.gather(*map(listen, agents)), strict=True))
    assert {name: text for name, (text, _) in heard.items()} == {name: text for name, (_, text) in starts.items()}
    assert heard["hangs"][1] < 2000 + 4000


async def test_a_transfer_that_fails_is_told_to_the_caller() -> None:
    """A line that knows only Twilio's wire never answers: the caller is back with the agent, who says so."""

    def on_message(event: Any) -> str:
        if event.text == TRANSFER:
            event.transfer_call("+15550100001")
            return "One second."
        return "Still here."

    async with answering({"a": (agent(), Hooks(on_message=on_message))}) as phone, Caller(phone, "a") as caller:
        await caller.say(TRANSFER)
        await caller.until_heard("couldn't put you through.", 15.0)
        await caller.until(lambda: caller.line.quiet_ms > 400)
        await caller.say(QUESTION)
        await caller.until_heard("still here.")


async def test_keys_reach_the_agent_as_text() -> None:
    """Keys in quick succession are one message, in the transcript and the history too."""
    async with answering({"a": (agent("Press a key."), Hooks(on_message=echo))}) as phone, Caller(phone, "a") as caller:
        await caller.until_heard("press a key.")
        caller.line.press("5")
        await caller.until(lambda: len(caller.transcript()) == 3)
        caller.line.press("1")
        caller.line.press("#")
        await caller.until(lambda: len(caller.transcript()) == 5)
    assert [text for role, text in caller.transcript() if role == "user"] == ["[DTMF: 5]", "[DTMF: 1#]"]


async def test_the_words_are_on_disk_before_anybody_is_shown_them(tmp_path: Path) -> None:
    """When on_transcript runs, or an observer is told, the journal already has the line."""
    seen: list[tuple[str, str, bool]] = []

    def journal() -> str:
        return "".join(path.read_text() for path in tmp_path.rglob("journal.jsonl"))

    def on_message(event: Any) -> str:
        return "From nine to six."

    def on_transcript(event: Any) -> None:
        line = f'"type":"ReportTranscript","role":"{event.role}","text":{json.dumps(event.text)}'
        seen.append(("transcript", event.text, line in journal()))

    def look(call_id: str, entry: Entry) -> None:
        if any(isinstance(each, order.ReportTranscript) for each in entry.commands):
            seen.append(("shown", "", render_entry(entry.at, entry.event, entry.commands) in journal()))

    hooks = Hooks(on_message=on_message, on_transcript=on_transcript)
    async with answering({"a": (agent("Hello."), hooks)}, store=SqliteStore(tmp_path), observers=(look,)) as phone:
        async with Caller(phone, "a") as caller:
            await caller.until_heard("hello.")
            await caller.say(QUESTION)
            await caller.until(lambda: len(caller.transcript()) == 3)
        await asyncio.sleep(0.1)
    assert len(seen) == 6
    assert all(on_disk for _, _, on_disk in seen), seen
    (row,) = SqliteStore(tmp_path).list(CallQuery(outcome="answered"))
    (record,) = tmp_path.rglob("record.json")
    facts = json.loads(record.read_text())
    assert (row.call_id, row.started_at, row.duration_s) == (facts["call_id"], facts["started_at"], facts["duration"])
    assert (row.agent, row.turns) == ("a", 1)


async def test_the_journal_of_a_real_call_replays_to_the_same_commands(tmp_path: Path) -> None:
    """One journal, one list of commands: byte-identical a hundred times over."""
    hooks = Hooks(on_message=lambda event: "We are open from nine to six, every day but sunday.")
    async with answering({"a": (agent("Hello."), hooks)}, store=SqliteStore(tmp_path)) as phone:
        async with Caller(phone, "a") as caller:
            await caller.until_heard("hello.")
            await caller.say(QUESTION)
            await caller.until(lambda: caller.line.ear.voiced_ms >= 300)
            caller.line.press("5")
            await caller.until(lambda: caller.tap.clears)
            await caller.say(STOP, 700)
            await caller.until(lambda: len(caller.transcript()) >= 5)
        await asyncio.sleep(0.1)
    (path,) = tmp_path.rglob("journal.jsonl")
    text = path.read_text()
    assert text.count("A test.") == 1  # the prompt
    entries = list(parse_journal(text))
    for _ in range(100):
        lines = [render_entry(each.at, each.event, each.commands) for each in replay(entries)]
        assert "".join(f"{line}\n" for line in lines) == text


async def test_a_call_leaves_nothing_behind() -> None:
    """However it ends, no task, no unretrieved exception and no live call remain."""

    async def calls() -> None:
        async with answering({"a": (agent("Hello, how are you?"), Hooks(on_message=echo))}) as phone:
            for end in ("stop", "drop", "early", "mid-reply"):
                caller = Caller(phone, "a", end)
                async with caller:
                    if end != "early":
                        await caller.until_heard("hello")
                    if end == "mid-reply":
                        await caller.say(QUESTION)
                    if end != "stop":
                        await caller.line.drop()
                for _ in range(100):
                    if caller.over():
                        break
                    await asyncio.sleep(0.02)
                assert caller.over(), end
            for _ in range(100):
                if not phone.server.live.count:
                    break
                await asyncio.sleep(0.02)
            assert phone.server.live.count == 0

    loose = await and_tidy(calls())
    assert loose.tasks == []
    assert loose.reported == []


async def test_the_built_in_stack_holds_a_conversation() -> None:
    """A voice asks, the built-in ears know the words, the built-in voice answers, is interrupted, and goes on."""

    async def on_message(event: Any) -> AsyncIterator[str]:
        if "open" in event.text.lower():
            yield "We are open from Monday to Friday, from nine in the morning until half past five in the evening."
        else:
            yield "We are in Mill Lane."

    talk: list[Say | Interrupt | HangUp] = [
        Say("When are you open?"),
        Interrupt("What is your address?", after_ms=1200),
        HangUp(),
    ]
    ready = agent("Hello!", stt=LocalSTT(), tts=LocalTTS())
    async with answering({"a": (ready, Hooks(on_message=on_message))}) as phone:
        caller = Caller(phone, "a")
        await hold_conversation(caller.line, talk, line_voice(wiring.built_in_caller("jo")))
    users = [text.lower() for role, text in caller.transcript() if role == "user"]
    assert "open" in users[0]
    assert "address" in users[1]
    replies = [text for role, text in caller.transcript() if role == "assistant"]
    assert replies[0] == "Hello!"
    assert replies[1].startswith("We are open")
    assert not replies[1].endswith("evening.")
    assert replies[2] == "We are in Mill Lane."


async def test_the_built_in_detector_finds_a_voice_in_the_caller_and_none_in_a_tone() -> None:
    """With the real detector a steady tone over the greeting takes nothing; the greeting is heard whole."""
    from patter_cli.server.service import ServiceSettings
    from tests.e2e.conftest import Log, Phone

    log = Log()
    ready = wiring.ready_agent("a", agent("This greeting is not to be stopped by a tone."), Hooks(on_message=echo))
    server = wiring.service({"a": ready}, ServiceSettings(port=0), observers=(log,))
    await server.start()
    try:
        async with Caller(Phone(server, log), "a") as caller:
            await caller.until(lambda: caller.line.ear.voiced_ms > 200)
            await caller.say(QUESTION, 800)
            await caller.until_heard("by a tone.")
    finally:
        await server.cut()
        server.close()
    assert caller.tap.clears == []


async def greeted(url: str) -> None:
    """A call to this address, as far as its first words."""
    async with LineCaller(url, TwilioLine()) as caller:
        assert await caller.wait_for(lambda: caller.ear.voiced_ms > 60, 5)


async def test_serving_from_python_can_be_cancelled_failed_and_begun_again() -> None:
    """A port that is busy is raised by serve and by ready; disconnect and cancelling both stop; then it serves anew."""
    phone = Patter()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        ready = phone.ready
        with pytest.raises(PortBusy):
            await phone.serve(agent("Hello."), port=port, on_message=echo)
        with pytest.raises(PortBusy):
            await ready

    for stop in ("disconnect", "cancel"):
        serving = asyncio.create_task(phone.serve(agent("Hello."), port=port, on_message=echo))
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            url = f"ws://{await phone.ready}/ws/loopback/agent"
        await greeted(url)
        if stop == "cancel":
            serving.cancel()
        else:
            await phone.disconnect()
            await phone.disconnect()
        await asyncio.wait({serving}, timeout=5)
        assert serving.cancelled() == (stop == "cancel")
        with pytest.raises(NotReachable):
            await LineCaller(url, TwilioLine()).dial()


async def test_barge_in_can_be_switched_off() -> None:
    """With a threshold of 0 the reply is spoken to its end, and what was said over it is answered then."""
    ready = agent("Please listen to all of this before you speak.", barge_in_threshold_ms=0)
    async with answering({"a": (ready, Hooks(on_message=echo))}) as phone, Caller(phone, "a") as caller:
        await caller.until(lambda: caller.line.ear.voiced_ms > 200)
        await caller.say(PRICE, 600)
        await caller.until_heard("you said how much is a cleaning?")
    assert caller.tap.clears == []
    assert caller.ear.text.startswith("please listen to all of this before you speak.")
