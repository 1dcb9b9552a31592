"""The line's sound, both ways: what the carrier brings goes in, what is said goes out, paused and cleared on order."""

from __future__ import annotations

from patter_cli.audio.jitter import JitterCounts
from patter_cli.contracts.carrier.stream import DtmfIn, MarkIn, MediaIn, StreamMessage
from patter_cli.core import commands as order
from patter_cli.core.commands import Command
from patter_cli.core.events import DtmfReceived
from patter_cli.engine.context import CallContext
from patter_cli.engine.hold_music import HoldMusic
from patter_cli.engine.inbound import InboundPath
from patter_cli.engine.outbound import OutboundPath
from patter_cli.engine.overheard import OverheardLine


class MediaPerformer:
    """One call's line."""

    def __init__(
        self, call: CallContext, inbound: InboundPath, outbound: OutboundPath, music: HoldMusic, line: OverheardLine
    ) -> None:
        self._music = music
        self._line = line
        self._call = call
        self._inbound = inbound
        self._outbound = outbound

    @property
    def counts(self) -> JitterCounts:
        """What the line did to us."""
        return self._inbound.counts

    def receive(self, message: StreamMessage) -> None:
        """Take one inbound message; the media path runs right here."""
        match message:
            case MediaIn():
                self._inbound.push(message)
                self._line.heard(message.payload)
            case MarkIn(name=name):
                self._outbound.mark_returned(name)
            case DtmfIn(digit=digit) if not self._inbound.muted:
                self._call.post(DtmfReceived(digit=digit))
            case _:
                pass

    def perform(self, command: Command) -> bool:
        match command:
            case order.PausePlayback():
                self._outbound.pause()
            case order.ResumePlayback():
                self._outbound.resume()
            case order.ClearPlayback():
                self._outbound.clear()
            case order.MuteCaller(muted=muted):
                self._inbound.muted = muted
            case order.PassColleague(passes=passes):
                self._line.passes = passes
            case order.PlayMusic():
                self._music.start()
            case order.StopMusic():
                self._music.stop()
            case _:
                return False
        return True

    def line_gone(self) -> None:
        """The line is closed: where the ear was is told now."""
        self._music.stop()
        self._outbound.close()

    def close(self) -> None:
        self._music.stop()
        self._inbound.close()
        self._outbound.close()
        self._line.close()
