"""LiveScreen: the screen while calls are live. A thread of its own reads keys and draws; nobody waits for it.

    bus thread --entries--> fold <--view-- drawing thread --rows that changed--> terminal
    loop -------- lag ------^                     |
         <------- hang up, mute: called on the loop, quit: SIGINT, as Ctrl-C ------+

It draws at most every FRAME_S, and only what changed since. A terminal that is not read stops this thread and nothing
else. What the program prints meanwhile is kept, shown in the log, and printed once the terminal is given back; that
happens at the end, on a signal that stops or ends the process, and when drawing itself fails: then lines are printed
from there on.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Protocol, TextIO

from rich.color import ColorSystem
from rich.segment import Segment

from patter_cli.core.journal import Entry
from patter_cli.observe.bus import Observer
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.prices import PriceTable
from patter_cli.text.printable import printable
from patter_cli.tui.draw import draw
from patter_cli.tui.fold import ScreenFold
from patter_cli.tui.paint import Frame
from patter_cli.tui.panels import dollars
from patter_cli.tui.steer import HangUp, Mute, Quit, Steering, press, read_keys
from patter_cli.tui.theme import theme
from patter_cli.tui.tty import BEGIN, END, Tty, plain_signs
from patter_cli.tui.view import ListProgress, ScreenView

log = logging.getLogger(__name__)

FRAME_S = 0.25
"""Between two updates."""
BEAT_S = 0.2
"""Between two looks at how late the loop is."""
LAG_S = 3.0
"""For how long the worst of them is shown."""
KEPT_CHARS = 256 * 1024
"""Of what was printed meanwhile."""
JOIN_S = 1.0


class Switchboard(Protocol):
    """Who does what keys ask for; called on the loop."""

    @property
    def stopping(self) -> bool:
        """Nobody new is let in."""

    def hang_up(self, call_id: str) -> None: ...

    def mute(self, call_id: str, muted: bool) -> None: ...


class Printing(Protocol):
    """Where the program's own lines go."""

    def divert(self, taker: Callable[[TextIO, str], None] | None) -> None:
        """What is for a terminal goes to the taker from now on; None: to the terminal."""

    def put(self, stream: TextIO, text: str) -> None: ...


class LiveScreen:
    """An observer. With `shown` it draws; before, after, and where that failed, entries go to `otherwise`."""

    def __init__(
        self,
        title: str,
        *,
        stdin: TextIO,
        stdout: TextIO,
        coloured: bool,
        prices: PriceTable = LIST_PRICES,
        otherwise: Observer | None = None,
    ) -> None:
        """title: the command that runs. stdin, stdout: of a terminal."""
        self._title = printable(title)
        self._stdout = stdout
        self._tty = Tty(stdin, stdout)
        self._theme = theme(coloured=coloured, unicode=not plain_signs(stdout))
        self._otherwise = otherwise
        self._fold = ScreenFold(prices)
        self._lock = threading.Lock()
        """Of the fold."""
        self._changed = True
        self._steering = Steering()
        self._view = ScreenView()
        self._frame: Frame | None = None
        self._drawn: tuple[object, ...] = ()
        self._wiped = False
        """The terminal no longer shows the last frame."""
        self._kept: deque[tuple[TextIO, str]] = deque()
        self._kept_chars = 0
        self._printing: Printing | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._board: Switchboard | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lags: deque[tuple[float, float]] = deque()
        self.meter: Callable[[], float] | None = None
        """How loud the microphone has been since it was last asked, in dB below full scale."""
        self.notice = ""
        """What is to be seen for as long as it holds."""
        self.later: TextIO = _Later(self)  # type: ignore[assignment]
        """What is written here is printed once the screen is gone, and not shown before."""

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take one entry of a call's journal."""
        if self._printing is None and self._otherwise is not None:
            self._otherwise(call_id, entry)
        with self._lock:
            self._fold.feed(call_id, entry, time.monotonic())
            self._changed = True

    def show_list(self, listing: ListProgress) -> None:
        """A list is rung, and has come so far. From any thread."""
        with self._lock:
            self._fold.go_on(listing)
            self._changed = True

    def watch(self, board: Switchboard) -> None:
        """Have keys do something, and the running loop watched. On the loop."""
        self._board = board
        self._loop = loop = asyncio.get_running_loop()
        loop.call_later(BEAT_S, self._beat, loop.time() + BEAT_S)

    def summary(self) -> str:
        """All calls in one line; "" where there was none."""
        view = self._fold.view(time.monotonic())
        if not view.over:
            return ""
        waited = f"; callers waited p50 {view.waits.p50_ms}, p95 {view.waits.p95_ms} ms" if view.waits.count else ""
        calls = f"{view.over} call{'s' if view.over != 1 else ''}"
        return f"{calls}, {view.waits.count} turns{waited}; {dollars(view.cost)}"

    @contextmanager
    def shown(self, printing: Printing) -> Iterator[None]:
        """Draw meanwhile. On the main thread; a terminal that cannot be had is left alone."""
        try:
            self._tty.take()
        except Exception as error:  # noqa: BLE001 - termios.error is no OSError; lines are printed then
            log.info("no screen: %s", error)
            yield
            return
        self._printing = printing
        self._fold.say(f"{self._title}: it starts")
        printing.divert(self.take)
        self._thread = threading.Thread(target=self._run, daemon=True, name="patter-screen")
        self._thread.start()
        try:
            with _on_signal(signal.SIGTSTP, self._suspend), _on_signal(signal.SIGQUIT, self._quit_at_once):
                yield
        finally:
            self._closing = True
            self._thread.join(JOIN_S)
            self._leave()

    def take(self, stream: TextIO, text: str) -> None:
        """Something was printed. From any thread."""
        self.keep(stream, text)
        with self._lock:
            for line in text.splitlines():
                self._fold.say(line)
            self._changed = True

    def keep(self, stream: TextIO, text: str) -> None:
        """Print this once the screen is gone; the oldest makes room. From any thread."""
        printing = self._printing
        if printing is None:
            stream.write(text)
            stream.flush()
            return
        with self._lock:
            self._kept.append((stream, text))
            self._kept_chars += len(text)
            while self._kept_chars > KEPT_CHARS and len(self._kept) > 1:
                self._kept_chars -= len(self._kept.popleft()[1])

    # --- the end -----------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Give the terminal back, and print what was kept. Twice is fine."""
        self._tty.give_back()
        with self._lock:
            printing, self._printing = self._printing, None
            kept, self._kept = self._kept, deque()
        if printing is not None:
            printing.divert(None)
            for stream, text in kept:
                printing.put(stream, text)

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets its terminal, until it sends us on."""
        self._tty.give_back()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        if not self._closing:
            with suppress(Exception):
                self._tty.take()
            self._wiped = True

    def _quit_at_once(self) -> None:
        self._tty.give_back()
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGQUIT)

    # --- the drawing thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        next_s = 0.0
        try:
            while not self._closing:
                now_s = time.monotonic()
                if now_s >= next_s and self._tty.taken:
                    self._update(now_s)
                    next_s = time.monotonic() + FRAME_S
                self._read_keys(max(0.01, next_s - time.monotonic()))
        except OSError:
            self._leave()  # the terminal has gone
        except Exception:
            self._leave()
            log.exception("the screen broke; from here on there are lines")

    def _read_keys(self, wait_s: float) -> None:
        try:
            ready, _, _ = select.select((self._tty.keys,), (), (), wait_s)
        except (OSError, ValueError):
            time.sleep(wait_s)
            return
        if not ready or not self._tty.taken:
            if ready:
                time.sleep(wait_s)
            return
        data = os.read(self._tty.keys, 1024)
        if not data:
            raise OSError("no terminal any more")
        for key in read_keys(data):
            self._steering, action = press(self._steering, key, self._view)
            # What the next key means depends on what this one chose.
            self._view = self._look(time.monotonic())
            if isinstance(action, Quit):
                os.kill(os.getpid(), signal.SIGINT)
            elif action is not None:
                self._ask(action)

    def _ask(self, wish: HangUp | Mute) -> None:
        board, loop = self._board, self._loop
        if board is None or loop is None:
            return
        with suppress(RuntimeError):  # the loop is closed
            if isinstance(wish, HangUp):
                loop.call_soon_threadsafe(board.hang_up, wish.call_id)
            else:
                loop.call_soon_threadsafe(board.mute, wish.call_id, wish.muted)

    def _look(self, now_s: float) -> ScreenView:
        board = self._board
        with self._lock:
            fold = self._fold
            lag_ms = self._lag_ms(now_s) if fold.live else None
            stopping = board is not None and board.stopping
            shown = self._steering.shown(fold.newest)
            level_db = round(self.meter()) if self.meter is not None else None
            view = fold.view(now_s, shown=shown, lag_ms=lag_ms, level_db=level_db, stopping=stopping)
        return replace(view, notice=self.notice)

    def _update(self, now_s: float) -> None:
        """Draw, if there can be anything new: a call that is live has at least a clock."""
        size = self._tty.size()
        board = self._board
        state = (size, self._steering, board is not None and board.stopping, self.notice)
        wiped, self._wiped = self._wiped, False
        if not (self._changed or wiped or self._fold.live) and state == self._drawn:
            return
        self._changed, self._drawn = False, state
        self._view = view = self._look(now_s)
        width, height = size
        frame = draw(view, self._steering, title=self._title, width=width, height=height, theme=self._theme)
        before, self._frame = None if wiped else self._frame, frame
        data = rendered(frame, before)
        if data:
            self._tty.write(BEGIN + data.encode(self._stdout.encoding or "utf-8", "replace") + END)

    # --- the loop's side -----------------------------------------------------------------------------------------

    def _beat(self, due_s: float) -> None:
        loop = self._loop
        if loop is None or self._closing:
            return
        now_s = loop.time()
        self._lags.append((time.monotonic(), max(0.0, now_s - due_s)))
        loop.call_later(BEAT_S, self._beat, now_s + BEAT_S)

    def _lag_ms(self, now_s: float) -> int | None:
        while self._lags and self._lags[0][0] < now_s - LAG_S:
            self._lags.popleft()
        return round(1000 * max(late_s for _, late_s in tuple(self._lags))) if self._lags else None


def rendered(frame: Frame, before: Frame | None) -> str:
    """What a terminal must be told so that it shows a frame, where it shows the one before."""
    same_size = before is not None and (before.width, len(before.rows)) == (frame.width, len(frame.rows))
    rows = before.rows if before is not None and same_size else ()
    parts = [] if same_size else ["\x1b[0m\x1b[2J"]
    for number, row in enumerate(frame.rows):
        if number < len(rows) and rows[number] == row:
            continue
        # Wiped before it is written: terminals differ in how wide some signs are.
        parts.append(f"\x1b[{number + 1};1H\x1b[K{_ansi(row)}")
    return "".join(parts)


def _ansi(row: Iterable[Segment]) -> str:
    return "".join(style.render(text, color_system=ColorSystem.STANDARD) if style else text for text, style, _ in row)


class _Later(io.TextIOBase):
    """Text for after the screen."""

    def __init__(self, screen: LiveScreen) -> None:
        super().__init__()
        self._screen = screen

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._screen.keep(sys.stdout, text)
        return len(text)


@contextmanager
def _on_signal(number: signal.Signals, act: Callable[[], None]) -> Iterator[None]:
    """Have this done on a signal that nobody else has taken."""
    if signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    signal.signal(number, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)
