"""Recordings that carriers keep, fetched over their interfaces: the lab's Twilio and Telnyx."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from patter_cli.audio.wav import read_channel
from patter_cli.carriers.download import download
from patter_cli.cli.record_carried import delete_carried, wav_of
from patter_cli.cli.record_sound import export_all, read_sound
from patter_cli.cli.recordings import listed
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.store import CallQuery, CallRecord
from patter_cli.errors import CallRejected, CarrierError, InputError
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab.people import HangUp, Listen, Person
from tests.e2e.conftest import letters_in, understood
from tests.e2e.lab_shop import COMPANIES, HOURS, Company, shop, voice

CALLER = "+12025550177"
ASKS = Person(name="asks", steps=(Listen(quiet_ms=600), voice(HOURS), Listen(quiet_ms=600), HangUp()))


def seen(store: SqliteStore, record: CallRecord, carrier: Carrier) -> tuple[str, str, float]:
    """What a recording has on either side, and when the first words of the agent begin in it."""
    with wav_of(store, record, lambda name: carrier) as path:
        sound = read_sound(store, record, path, carried=True)
        letters = letters_in(read_channel(path, 1)[0][_first(read_channel(path, 1)[0]) :])
        return understood(read_channel(path, 0)[0]), letters, sound.seconds


def _first(samples: Any) -> int:
    return int(next(at for at in range(len(samples)) if abs(int(samples[at])) > 1000))


async def recorded(record_of: Any, store: SqliteStore) -> CallRecord:
    """The call's record, once the carrier has told of its recording."""
    record: CallRecord = await record_of(CALLER)
    for _ in range(200):
        kept = store.get(record.row.call_id)
        if kept is not None and kept.facts.get("recording"):
            return kept
        await asyncio.sleep(0.05)
    raise AssertionError(record)


@pytest.mark.parametrize("company", COMPANIES)
async def test_a_call_that_the_carrier_recorded(company: Company, tmp_path: Path) -> None:
    """Listed as the carrier's, fetched in two channels, exported, and gone once it is deleted there."""
    store = SqliteStore(tmp_path)
    async with shop(company, store, recording=True) as here:
        await here.is_rung(ASKS, CALLER)
        record = await recorded(here.record, store)
        carrier = here.service._carriers[company]
        (row,), _ = listed(store, CallQuery(limit=None), 10)
        assert (row["path"], row["carrier_recording"]["duration_ms"] > 2000) == (None, True)
        asked, answered, seconds = await asyncio.to_thread(seen, store, record, carrier)
        assert HOURS in asked
        assert "from nine until six." in answered
        assert 2.0 < seconds < 12.0
        found = await asyncio.to_thread(
            lambda: list(
                export_all(
                    store, CallQuery(), tmp_path / "out", lambda name: carrier, channels="caller", format_name="wav"
                )
            )
        )
        assert [(path, why) for _, path, why in found] == [(tmp_path / "out" / f"{record.row.call_id}.wav", "")]
        assert read_channel(tmp_path / "out" / f"{record.row.call_id}.wav", 0)[1] == 8000
        assert await delete_carried(store, record, lambda name: carrier) == 1
        assert await delete_carried(store, record, lambda name: carrier) == 0
        assert listed(store, CallQuery(limit=None), 10)[0] == []
        with pytest.raises(InputError, match="has no recording"):
            await asyncio.to_thread(seen, store, record, carrier)


async def test_keys_that_are_wrong(tmp_path: Path) -> None:
    """The carrier's own refusal, with the name of what to check."""
    store = SqliteStore(tmp_path)
    async with shop("twilio", store, recording=True) as here:
        await here.is_rung(ASKS, CALLER)
        record = await recorded(here.record, store)
        carrier = here.service._carriers["twilio"]
        wrong = type(carrier)(carrier.account_sid, "another token", base_url=carrier.base_url)  # type: ignore[attr-defined]
        with pytest.raises(CallRejected, match="credentials"):
            await asyncio.to_thread(seen, store, record, wrong)


async def test_a_carrier_that_breaks_off() -> None:
    """A connection that dies in the middle of a file, or a host that is not there, is no recording."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 10)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(CarrierError, match="does not hand the recording over"):
        await download(f"http://127.0.0.1:{port}/x.wav", lambda piece: None, carrier="Twilio")
    server.close()
    await server.wait_closed()
    with pytest.raises(CarrierError, match="does not hand"):
        await download(f"http://127.0.0.1:{port}/x.wav", lambda piece: None, carrier="Twilio")


async def test_the_key_goes_to_nobody_else() -> None:
    """A recording that lies elsewhere is fetched from there, without the account's password."""
    asked: list[bytes] = []

    async def storage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nRIFF")
        await writer.drain()
        writer.close()

    async def carrier(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            f"HTTP/1.1 307 There\r\nlocation: http://localhost:{there}/1\r\ncontent-length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    away = await asyncio.start_server(storage, "127.0.0.1", 0)
    there = away.sockets[0].getsockname()[1]
    home = await asyncio.start_server(carrier, "127.0.0.1", 0)
    pieces: list[bytes] = []
    url = f"http://127.0.0.1:{home.sockets[0].getsockname()[1]}/x.wav"
    assert await download(url, pieces.append, carrier="Twilio", basic=("AC", "secret")) == 200
    assert b"".join(pieces) == b"RIFF"
    assert [b"authorization" in each.lower() for each in asked] == [True, False]
    for each in (away, home):
        each.close()
        await each.wait_closed()
