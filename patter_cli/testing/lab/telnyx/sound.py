"""What sounds on a leg while it lives: its media stream, Telnyx's own voice, its recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from websockets.exceptions import InvalidHandshake, InvalidURI

from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.account import Account
from patter_cli.testing.lab.telnyx.faults import TelnyxFaults
from patter_cli.testing.lab.telnyx.leg import StreamWanted
from patter_cli.testing.lab.telnyx.party import Party, Teller
from patter_cli.testing.lab.telnyx.recordings import Recording
from patter_cli.testing.lab.telnyx.stream import MediaStream, Writer, format_of

RECORDINGS_AT: Final = "https://recordings.telnyx.example"
"""Telnyx's are somewhere else than its interface too; what its webhook says is good for ten minutes, and here never."""
SIGNED: Final = "/signed/"
"""What is below this is a storage's address, which is good by itself: a key beside it is refused."""
PLAYBACK_MS: Final = 1000


class LegSound:
    """The sound of the legs of one lab."""

    def __init__(self, lab: CarrierLab, account: Account, teller: Teller, faults: TelnyxFaults) -> None:
        self._lab = lab
        self._account = account
        self._teller = teller
        self._faults = faults
        self.files: dict[str, bytes] = {}
        """Recordings' WAVs, by their ids."""

    # --- streams -----------------------------------------------------------------------------------------------------

    def start_stream(self, party: Party, wanted: StreamWanted) -> None:
        """Open a media socket; what becomes of it is told."""
        party.leg.stream_id = str(uuid4())
        party.streaming = self._lab.spawn(self._stream(party, wanted, party.leg.stream_id))

    async def _stream(self, party: Party, wanted: StreamWanted, stream_id: str) -> None:
        leg, line = party.leg, party.call.line
        assert line is not None
        order = self._faults.l16_byte_order
        towards = self._faults.leg_codec if wanted.codec == "default" else wanted.codec
        sends = format_of(towards, wanted.sends_rate_hz, order)
        receives = format_of(wanted.sends_codec, wanted.sends_rate_hz, order)
        try:
            if sends is None or receives is None:
                raise OSError(f"the lab does not speak {towards} and {wanted.sends_codec}")
            socket = await self._lab.open_stream(wanted.url, {})
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            self._lab.warn(f"the stream of {leg.control_id[:12]} cannot be opened: {error}")
            leg.stream_id = ""
            self._failed(party, wanted, stream_id, "connection_failed")
            return
        party.stream = MediaStream(
            socket=socket,
            line=line,
            writer=Writer(leg=leg, wanted=wanted, format=sends, stream_id=stream_id),
            receives=receives,
            now_s=self._teller.now_s,
            warn=self._lab.warn,
            on_key=lambda digit: self._teller.tell(party, "call.dtmf.received", {"digit": digit}),
            swap_every=self._faults.swap_every,
        )
        self._teller.tell(party, "streaming.started", {"stream_url": wanted.url})
        if not party.call.live:
            party.stream.stop()
        lost = False
        try:
            lost = await party.stream.run()
        finally:
            party.stream, leg.stream_id = None, ""
            if lost and party.call.live:
                self._failed(party, wanted, stream_id, "connection_lost")
            else:
                self._teller.tell(party, "streaming.stopped", {"stream_url": wanted.url})

    def _failed(self, party: Party, wanted: StreamWanted, stream_id: str, reason: str) -> None:
        """The call goes on without it. Telnyx does not say which of its events follows a socket that is lost."""
        params = {"stream_url": wanted.url, "track": wanted.track}
        failed = {"failure_reason": reason, "stream_id": stream_id, "stream_type": "websocket"}
        self._teller.tell(party, "streaming.failed", {**failed, "stream_params": params})

    # --- recordings --------------------------------------------------------------------------------------------------

    def start_recording(self, party: Party, how: Mapping[str, Any]) -> None:
        """how: its format and its channels."""
        line = party.call.line
        if line is not None:
            party.recording_format = how["format"]
            party.recording = Recording(
                line=line, channels=how["channels"], began_ms=line.now_ms, began_s=self._teller.now_s()
            )

    def hold_recording(self, party: Party, held: bool) -> None:
        """Nothing happens where there is none."""
        if party.recording is not None:
            party.recording.hold(held)

    def finish_recording(self, party: Party) -> None:
        """Tell where it is; nothing happens where there is none."""
        recording, party.recording = party.recording, None
        if recording is None:
            return
        leg, now_s = party.leg, self._teller.now_s()
        url = f"{RECORDINGS_AT}/{leg.recording_id}.{party.recording_format}"
        self.files[leg.recording_id] = recording.wav(recording.line.now_ms)
        signed = f"{self._lab.base_url.removesuffix('/v2')}{SIGNED}{leg.recording_id}.{party.recording_format}"
        row = self._account.add_recording(
            leg, channels=recording.channels, began_s=recording.began_s, ended_s=now_s, url=signed
        )
        saved = {name: row[name] for name in ("channels", "recording_started_at", "recording_ended_at")}
        payload = {**leg.about(), **saved, "recording_urls": {party.recording_format: url}, "public_recording_urls": {}}
        for name in ("call_control_id", "from", "to"):  # the schema of this one has none of them
            del payload[name]
        leg.recording_id = ""
        self._teller.tell(party, "call.recording.saved", payload)

    # --- Telnyx's own voice ------------------------------------------------------------------------------------------

    def speak(self, party: Party, text: str) -> None:
        """After what spoke or played, which ends now."""
        self.hush(party)
        party.speech = self._lab.spawn(self._speak(party, text))

    def play(self, party: Party, url: str) -> None:
        """The lab fetches nothing: a recording is a little silence."""
        self.hush(party)
        party.speech = self._lab.spawn(self._play(party, url))

    def hush(self, party: Party) -> None:
        """Whatever speaks or plays ends."""
        if party.speech is not None:
            party.speech.cancel()

    async def _speak(self, party: Party, text: str) -> None:
        line = party.call.line
        assert line is not None
        samples = await self._lab.voice(text)
        self._teller.tell(party, "call.speak.started")
        await line.play(samples)
        self._teller.tell(party, "call.speak.ended", {"status": "completed" if party.call.live else "call_hangup"})
        self._stream_again(party)

    async def _play(self, party: Party, url: str) -> None:
        line = party.call.line
        assert line is not None
        status = "cancelled"
        self._teller.tell(party, "call.playback.started", {"media_url": url})
        try:
            await line.until(lambda: False, PLAYBACK_MS)
            status = "completed" if party.call.live else "call_hangup"
        finally:
            self._teller.tell(party, "call.playback.ended", {"media_url": url, "status": status})

    def _stream_again(self, party: Party) -> None:
        """A line plays one thing at a time."""
        if party.stream is not None and party.call.live and party.bridge is None:
            party.stream.attach()
