"""Recordings of calls, written by one thread for all of them, so that no frame ever waits for a disk.

Theory of operation. A call hands over wire audio with its place in call time, and what was cut again; the thread comes
by every LOOK_S, decodes what has gathered and writes it to the call's WAV: caller left, agent right as it was played.
The file begins when there is a line, and whatever moment the process dies at, it is a whole WAV of all but the last
seconds. Once it is whole, the thread makes its shape, too. A disk that is full ends the recording, never the call; one
that hangs is waited for as long as memory allows.

Where words are struck out, sound is held back until it is known which: the words of whoever speaks come after their
voice. What is known is silenced and written; what nobody knows after HELD_MS is silent. So nothing that must not be
kept is ever on the disk.

    call: caller, sent, silence, entries -> todo -> thread: decode -> [held until its words are known] -> Tape
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections import deque
from pathlib import Path
from typing import TypeAlias

from patter_cli.audio.frame import Samples
from patter_cli.audio.peaks import WavePeaks, peaks_of
from patter_cli.audio.tape import Tape
from patter_cli.audio.wire import WireCodec
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry
from patter_cli.errors import InputError
from patter_cli.observe.silenced import AGENT, CALLER, SilencedFold, Stretch
from patter_cli.text.redact import Redaction

log = logging.getLogger(__name__)

LOOK_S = 0.5
CLOSE_S = 3.0
"""What the end of the process leaves a disk for the rest."""
WAITING_BYTES = 8 * 1024 * 1024
"""Of one call while a disk hangs: eight minutes of a telephone line."""
HELD_MS = 60_000
"""How long sound is held back for its words."""
LATE_MS = 1500
"""A voice is told of when it has been one for a while, and the room before it may have to be silent too."""


_Piece: TypeAlias = tuple[int, int, bytes]
"""Wire audio: (side, its first sample, in samples of call time, what was on the wire). A tuple, for there are a hundred
a second of each call."""
_Todo: TypeAlias = "_Piece | int | Entry"
"""An int: nothing of ours is heard from this sample of call time on."""


class SoundWriter:
    """Writes all recordings of a process. `close` at its end."""

    def __init__(self, redaction: Redaction = Redaction.OFF) -> None:
        """redaction: what of the words is silent."""
        self._redaction = redaction
        self._changed = threading.Condition()
        self._open: dict[WrittenSound, None] = {}
        self._closing = False
        self._thread: threading.Thread | None = None

    def open(self, call_id: str, path: Path) -> WrittenSound:
        """A call's recording, to be written there once there is a line."""
        return WrittenSound(self, call_id, path, self._redaction)

    def begin(self, sound: WrittenSound) -> None:
        """There is something to write, from now on."""
        with self._changed:
            if self._closing:
                return
            self._open[sound] = None
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="patter-sound")
                self._thread.start()
                atexit.register(self.close)

    def hurry(self) -> None:
        """A call is over: somebody waits for its recording."""
        with self._changed:
            self._changed.notify()

    async def written(self, sound: WrittenSound, within_s: float) -> None:
        """Wait until a recording that is over is closed, for so long at most."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._changed:
            if sound not in self._open:
                return
            sound.settling.append((loop, done))
        await asyncio.wait({done}, timeout=within_s)

    def close(self, within_s: float = CLOSE_S) -> None:
        """Write what there is, as far as the disk takes it in this time. Twice is fine."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        atexit.unregister(self.close)
        if self._thread is not None:
            self._thread.join(within_s)

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                if not self._closing and not any(each.over for each in self._open):
                    self._changed.wait(LOOK_S if self._open else None)
                closing = self._closing
                sounds = tuple(self._open)
            for each in sounds:
                try:
                    done = each.write(last=closing)
                except Exception:
                    log.exception("the recording of call %s broke", each.call_id)
                    done = True
                if done:
                    with self._changed:
                        self._open.pop(each, None)
                    for loop, future in each.settling:
                        _resolve(loop, future)


class WrittenSound:
    """One call's recording: keeps the engine's contract of a CallSound on the call's loop; `write` is the thread's."""

    def __init__(self, writer: SoundWriter, call_id: str, path: Path, redaction: Redaction) -> None:
        self._writer = writer
        self.call_id = call_id
        self._path = path
        self._fold = None if redaction is Redaction.OFF else SilencedFold(redaction)
        self._wire: WireCodec | None = None
        self._begun = 0
        """The file's first sample, in samples of call time."""
        self._told = False
        self._todo: deque[_Todo] = deque()
        self._put_bytes = self._taken_bytes = 0
        """Into `_todo` by the call, out of it by the thread."""
        self._lost = False
        """Memory was full."""
        self.over = False
        self.peaks: WavePeaks | None = None
        self.settling: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        """Who waits for the end; under the writer's lock."""
        # The thread's own:
        self._tape: Tape | None = None
        self._failed = False
        self._held: list[tuple[int, int, Samples]] = []
        """(side, start, samples) that wait for words."""

    # --- the call's side, on its loop ------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        return self._path if self._tape is not None and self._tape.written_samples else None

    def begin(self, wire: WireCodec, now: Ms) -> None:
        if self._wire is None:
            self._wire = wire
            self._begun = now * wire.rate_hz // 1000
            self._writer.begin(self)

    def told(self) -> None:
        self._told = True

    def caller(self, start: int, payload: bytes) -> None:
        if self._told:
            self._put_sound((CALLER, start, payload))

    def sent(self, payload: bytes, start_ms: float) -> float:
        assert self._wire is not None
        self._put_sound((AGENT, round(start_ms * self._wire.rate_hz / 1000), payload))
        return start_ms + len(payload) / self._wire.bytes_per_ms

    def silence(self, from_ms: float) -> None:
        if self._wire is not None and not self.over:
            self._todo.append(round(from_ms * self._wire.rate_hz / 1000))

    def feed(self, entry: Entry) -> None:
        if self._fold is not None and self._wire is not None and not self.over:
            self._todo.append(entry)

    def _put_sound(self, piece: _Piece) -> None:
        if self.over:
            return
        if self._put_bytes - self._taken_bytes > WAITING_BYTES:
            self._lost = True
            return
        self._put_bytes += len(piece[2])
        self._todo.append(piece)

    async def finish(self, within_s: float) -> None:
        self.close()
        await self._writer.written(self, within_s)

    def close(self) -> None:
        if not self.over:
            self.over = True
            self._writer.hurry()

    # --- the thread ------------------------------------------------------------------------------------------

    def write(self, *, last: bool) -> bool:
        """Bring to the file what there is. last: nothing more will come. Returns whether the recording is closed."""
        over = self.over or last
        todo = []
        while self._todo:
            todo.append(each := self._todo.popleft())
            if isinstance(each, tuple):
                self._taken_bytes += len(each[2])
        for start, side, samples in self._decoded(todo):
            self._take(side, start, samples)
        if self._fold is not None:
            self._release(over=over)
        if not over:
            return False
        if self._tape is not None:
            self._tape.close()
            self._look_at_shape()
            why = self._tape.failed or ("the disk was too slow" if self._lost else "")
            if why:
                log.warning("the recording of call %s is not whole: %s", self.call_id, why)
        return True

    def _look_at_shape(self) -> None:
        try:
            self.peaks = peaks_of(self._path)
        except InputError as error:
            log.warning("the recording of call %s has no shape: %s", self.call_id, error)

    def _decoded(self, todo: list[_Todo]) -> list[tuple[int, int, Samples]]:
        """(start, side, samples), what follows without a gap in one of a second at most, so that neither side is far
        ahead; cuts and entries are heeded on the way."""
        wire = self._wire
        assert wire is not None
        width = len(wire.silence)
        found: list[tuple[int, int, Samples]] = []
        runs: dict[int, tuple[int, list[bytes], int]] = {}

        def end(side: int) -> None:
            if side in runs:
                start, payloads, _ = runs.pop(side)
                found.append((start, side, wire.decode(b"".join(payloads))))

        for each in todo:
            match each:
                case (side, start, payload):
                    run = runs.get(side)
                    if run is None or abs(start - run[2]) > 1 or run[2] - run[0] >= wire.rate_hz:
                        end(side)
                        run = (start, [], start)
                    run[1].append(payload)
                    runs[side] = (run[0], run[1], run[2] + len(payload) // width)
                case int(start):
                    end(AGENT)
                    self._cut(start, found)
                case Entry():
                    assert self._fold is not None
                    self._fold.feed(each)
        for side in tuple(runs):
            end(side)
        return found

    def _cut(self, start: int, found: list[tuple[int, int, Samples]]) -> None:
        """What was to be played from there on was not; it may be anywhere between here and the file."""
        found[:] = [
            (at, side, samples[: max(0, start - at)] if side == AGENT else samples) for at, side, samples in found
        ]
        self._held = [
            (side, at, samples[: max(0, start - at)] if side == AGENT else samples) for side, at, samples in self._held
        ]
        if self._tape is not None:
            self._tape.cut_agent(start - self._begun)

    def _take(self, side: int, start: int, samples: Samples) -> None:
        if self._fold is None:
            self._write_piece(side, start, samples)
        else:
            self._held.append((side, start, samples))

    def _release(self, *, over: bool) -> None:
        """Write what is known to be harmless, once what is not is silent."""
        assert self._fold is not None
        assert self._wire is not None
        if not self._held:
            return
        rate = self._wire.rate_hz
        now = max(start + len(samples) for _, start, samples in self._held) * 1000 // rate
        unsure = self._fold.unsure(now)
        silent = self._fold.stretches(now) + self._fold.unheard_of(now)
        if over:
            until = now + 1
            silent += [each for each in unsure if each.side == CALLER]  # of the agent's clauses all words are known
        else:
            until = max(now - HELD_MS, min([now - LATE_MS, *(each.begin_ms for each in unsure)]))
            silent += unsure
        end = until * rate // 1000
        held, self._held = self._held, []
        for side, start, samples in sorted(held, key=lambda each: each[1]):
            piece = samples[: max(0, end - start)]
            if len(piece):
                self._write_piece(side, start, _silenced(piece, start, side, silent, rate))
            if len(piece) < len(samples):
                self._held.append((side, start + len(piece), samples[len(piece) :]))

    def _write_piece(self, side: int, start: int, samples: Samples) -> None:
        start -= self._begun
        if start < 0:
            samples, start = samples[-start:], 0
        if self._failed or not len(samples):
            return
        if self._tape is None:
            try:
                _make(self._path.parent)
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
                self._tape = Tape(self._path, self._wire.rate_hz if self._wire is not None else 8000)
            except (InputError, OSError) as error:
                self._failed = True
                log.warning("call %s is not recorded: %s", self.call_id, error)
                return
        if side == CALLER:
            self._tape.caller(start, samples)
        else:
            self._tape.agent(start, samples)


def _silenced(samples: Samples, start: int, side: int, silent: list[Stretch], rate: int) -> Samples:
    """The same, with silence where it must be. start: its first sample in call time."""
    out = samples
    for each in silent:
        first = max(0, each.begin_ms * rate // 1000 - start)
        last = max(0, each.end_ms * rate // 1000 + 1 - start)
        if each.side == side and first < last and first < len(samples):
            out = out.copy() if out is samples else out
            out[first:last] = 0
    return out


def _make(place: Path) -> None:
    """The call's folder, and those it is in, for our eyes only. Raises OSError."""
    for folder in (*reversed(place.parents[:3]), place):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _resolve(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:
        pass  # the loop is closed: nobody waits any more
