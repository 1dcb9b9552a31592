"""A call from a real Asterisk to an agent and back, by the dialplan of docs/asterisk.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli import Asterisk, wiring
from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wav import read_wav
from patter_cli.cli.discovery import load_agent
from patter_cli.contracts.tts import TextToSpeech, whole_clause
from patter_cli.engine.hooks import Hooks
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e import asterisk
from tests.e2e.audiosocket import FROM, TO, Shop, shop
from tests.e2e.conftest import SENTENCES, letters_in, spoken

QUESTION, STOP, GOODBYE = SENTENCES[:3]
LONG = "we are open every day of the week but sunday, from nine in the morning to six in the evening, "

pytestmark = pytest.mark.skipif(bool(asterisk.MISSING), reason=asterisk.MISSING)


@asynccontextmanager
async def exchange(folder: Path, *, plan: str = "", **how: Any) -> AsyncIterator[tuple[Shop, asterisk.Asterisk]]:
    """A server, and an Asterisk that sends it what is dialled. plan: a dialplan in place of the documented one."""
    async with shop(**how) as here:
        dialplan = plan.replace("PORT", str(here.port)) or asterisk.dialplan(here.port)
        async with asterisk.running(folder, dialplan) as pbx:
            yield here, pbx


async def test_a_call_from_asterisk_and_back(tmp_path: Path) -> None:
    """The greeting is heard by the caller, the caller's words by the agent, and the caller hangs up."""
    store = SqliteStore(tmp_path / "calls")
    async with exchange(tmp_path / "pbx", store=store) as (here, pbx):
        async with pbx.call() as phone:
            await phone.until(lambda: letters_in(phone.samples) == "hello there.")
            phone.say(spoken(QUESTION))
            await phone.until(lambda: letters_in(phone.samples) == "hello there.from nine until six.")
            phone.hang_up()
            await here.until(here.ends)
            await pbx.until_no_channels()
        assert here.ends() == [("answered", "carrier_stop")]
        await here.service.shutdown()
    (record,) = (tmp_path / "calls").rglob("record.json")
    kept = json.loads(record.read_text())
    names = ("carrier", "caller", "callee", "direction", "outcome", "reason")
    assert [kept[name] for name in names] == ["asterisk", FROM, TO, "inbound", "answered", "carrier_stop"]
    assert [line["text"] for line in kept["transcript"]] == ["Hello there.", QUESTION, "From nine until six."]


async def test_the_agent_is_heard_in_asterisks_own_recording(tmp_path: Path) -> None:
    """Nobody's word but Asterisk's: what it recorded of the agent's side is the greeting, whole."""
    async with exchange(tmp_path / "pbx") as (_, pbx):
        heard = tmp_path / "heard.wav"
        async with pbx.call(f"MixMonitor({tmp_path}/both.wav,r({heard}))") as phone:
            await phone.until(lambda: letters_in(phone.samples) == "hello there.")
            await asyncio.sleep(0.3)
            phone.hang_up()
            await pbx.until_no_channels()
        await phone.until(heard.exists)
        sound, rate_hz = read_wav(heard)
    assert rate_hz == 8000
    start = int(np.flatnonzero(np.abs(sound.astype(int)) > 1000)[0])
    assert letters_in(sound[start - start % 8 :]).startswith("hello there.")


async def test_a_caller_who_breaks_in_silences_the_agent(tmp_path: Path) -> None:
    """What still comes out of the telephone after the caller's first sound is a moment, and the answer follows."""
    hooks = Hooks(on_message=lambda event: "At fourteen." if "office" in event.text else LONG)
    async with exchange(tmp_path / "pbx", greeting=LONG, hooks=hooks) as (here, pbx), pbx.call() as phone:
        await phone.until(lambda: len(letters_in(phone.samples)) > 20)
        loop = asyncio.get_running_loop()
        spoke_at = loop.time()
        phone.say(spoken(STOP, 700))
        await phone.until(lambda: loop.time() - spoke_at > 1.0)
        silenced_s = phone.loud_between(spoke_at, spoke_at + 0.9)
        heard = letters_in(phone.samples)
        assert len(heard) < len(LONG) - 20
        # The threshold of a barge-in is 300 ms of voice.
        assert 0.1 < silenced_s < 0.65, silenced_s
        await phone.until(lambda: letters_in(phone.samples).endswith("at fourteen."))
        await here.until(lambda: len(here.lines()) == 3)
        role, text = here.lines()[0]
        assert role == "assistant"
        assert heard.startswith(text.lower().rstrip(". ")[:20])
        assert len(text) < len(LONG) - 10


async def test_a_key_that_the_caller_presses(tmp_path: Path) -> None:
    """It arrives as the caller's turn, whatever the sound of it was."""
    told: list[str] = []
    hooks = Hooks(on_message=lambda event: told.append(event.text) or "Thanks.")
    async with exchange(tmp_path / "pbx", hooks=hooks) as (_, pbx), pbx.call("Wait(1)", "SendDTMF(5)") as phone:
        await phone.until(lambda: letters_in(phone.samples).endswith("thanks."))
    assert told == ["[DTMF: 5]"]


async def test_the_agent_hangs_up(tmp_path: Path) -> None:
    """Its goodbye is heard to the end, then the dialplan goes on with the line after AudioSocket(), and all is over."""

    def bye(event: Any) -> str:
        event.end_call()
        return "Bye now."

    async with exchange(tmp_path / "pbx", hooks=Hooks(on_message=bye)) as (here, pbx), pbx.call() as phone:
        await phone.until(lambda: letters_in(phone.samples) == "hello there.")
        phone.say(spoken(GOODBYE))
        await asyncio.wait_for(phone.over.wait(), 8)
        assert letters_in(phone.samples) == "hello there.bye now."
        await pbx.until_no_channels()
        await here.until(here.ends)
        assert here.ends() == [("answered", "agent")]
        assert "15550100002@from-phones:5] Hangup" in pbx.log()
        assert not [line for line in pbx.log().splitlines() if "Failed" in line and f":{here.port}'" in line]


async def test_a_telephone_that_sends_nothing(tmp_path: Path) -> None:
    """Asterisk would give up after 2 s without a word from either side; the call is there after 3, and talks."""
    async with exchange(tmp_path / "pbx", greeting="") as (here, pbx), pbx.call("Wait(3)") as phone:
        phone.say(spoken(QUESTION))
        await phone.until(lambda: letters_in(phone.samples) == "from nine until six.")
        assert not here.ends()
        assert "no activity" not in pbx.log()


async def test_asterisk_is_killed_in_the_middle_of_a_call(tmp_path: Path) -> None:
    """The call is over at once, with a record; the next Asterisk is served."""
    async with shop(greeting=LONG) as here:
        async with asterisk.running(tmp_path / "one", asterisk.dialplan(here.port)) as pbx, pbx.call() as phone:
            await phone.until(lambda: len(letters_in(phone.samples)) > 10)
            pbx.process.kill()
            await here.until(here.ends, 2.0)
            ((outcome, reason),) = here.ends()
            assert outcome == "answered"
            assert reason in ("carrier_stop", "carrier_close")
        async with asterisk.running(tmp_path / "two", asterisk.dialplan(here.port)) as pbx, pbx.call() as phone:
            await phone.until(lambda: len(letters_in(phone.samples)) > 10)


async def test_our_server_goes_down_in_the_middle_of_a_call(tmp_path: Path) -> None:
    """Asterisk's caller is not left hanging: the dialplan goes on."""
    async with exchange(tmp_path / "pbx") as (here, pbx), pbx.call() as phone:
        await phone.until(lambda: letters_in(phone.samples) == "hello there.")
        await here.service.cut()
        await asyncio.wait_for(phone.over.wait(), 3)
        await pbx.until_no_channels()


async def test_nobody_answers(tmp_path: Path) -> None:
    """A server that is full closes, and the caller is where the dialplan says."""
    async with exchange(tmp_path / "pbx", max_calls=1) as (_, pbx), pbx.call() as phone:
        await phone.until(lambda: letters_in(phone.samples) == "hello there.")
        async with pbx.call() as other:
            await asyncio.wait_for(other.over.wait(), 3)
            assert letters_in(other.samples) == ""
        assert not phone.over.is_set()


async def test_a_secret_in_the_dialplan(tmp_path: Path) -> None:
    """As the documentation has it; another one is not let in."""
    secret = "0123456789abcdef"
    plan = asterisk.dialplan(0, "secret").replace("127.0.0.1:9092", "127.0.0.1:PORT")
    carrier = Asterisk(port=0, secret=secret)
    async with exchange(tmp_path / "pbx", carrier=carrier, plan=plan) as (here, pbx), pbx.call() as phone:
        await phone.until(lambda: letters_in(phone.samples) == "hello there.")
        (live,) = here.service.live.calls
        assert (live.ticket.caller, live.ticket.callee) == ("", TO)
    other = Asterisk(port=0, secret="fedcba9876543210")
    async with exchange(tmp_path / "other", carrier=other, plan=plan) as (here, pbx), pbx.call() as phone:
        await asyncio.wait_for(phone.over.wait(), 3)
        assert here.log.calls == {}


async def test_wideband_through_the_channel_driver(tmp_path: Path) -> None:
    """At 16 kHz, by the documentation's line; Asterisk makes 8 kHz of it for a telephone that has no more."""
    plan = asterisk.dialplan(0, "wideband").replace("127.0.0.1:9092", "127.0.0.1:PORT")
    carrier = Asterisk(port=0, rate_hz=16_000)
    async with exchange(tmp_path / "pbx", carrier=carrier, plan=plan) as (here, pbx), pbx.call() as phone:
        await phone.until(lambda: letters_in(phone.voiced()) == "hello there.")
        phone.say(spoken(QUESTION))
        await here.until(lambda: ("user", QUESTION) in here.lines())


async def test_asterisk_opens_no_port(tmp_path: Path) -> None:
    """The tests' own promise: it listens on nothing but its control socket."""
    async with exchange(tmp_path / "pbx") as (_, pbx):
        listening = {
            fields[9]
            for table in ("tcp", "tcp6")
            for fields in map(str.split, Path(f"/proc/{pbx.process.pid}/net/{table}").read_text().splitlines()[1:])
            if fields[3] == "0A"
        }
        owned = {str(each.readlink()) for each in Path(f"/proc/{pbx.process.pid}/fd").iterdir()}
        assert not owned & {f"socket:[{inode}]" for inode in listening}


@pytest.mark.slow
async def test_the_receptionist_with_its_own_ears_and_voice(tmp_path: Path) -> None:
    """The ready agent as it is served: real speech through a real Asterisk, from the greeting to its goodbye."""
    voice = wiring.built_in_speech()[1]
    loaded = load_agent("receptionist")
    given, hooks = replace(loaded.agent, echo_cancellation=False), Hooks(**loaded.hooks)
    async with exchange(tmp_path / "pbx", given=given, hooks=hooks, voice=None) as (here, pbx), pbx.call() as phone:
        for number, words in enumerate(("What are your opening hours?", "Thank you, goodbye.")):
            await here.until(lambda spoken=2 * number + 1: len(here.lines()) >= spoken, 30.0)
            phone.say(await said_by(voice, words))
        await asyncio.wait_for(phone.over.wait(), 30)
        said = [text for role, text in here.lines() if role == "user"]
        assert said[0] == "What are your opening hours?"
        assert any("nine until five thirty" in text for _, text in here.lines())
        await here.until(here.ends)
        assert here.ends() == [("answered", "agent")]


async def said_by(voice: TextToSpeech, text: str) -> Samples:
    """A text as a telephone takes it."""
    await voice.warm()
    samples, _ = await whole_clause(await voice.open(), text)
    return resample_all(samples, voice.rate_hz, 8000)
