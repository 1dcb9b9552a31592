"""What the screen costs: `python -m tests.bench.screen [--calls 20] [--seconds 20]`.

Stored calls are told in real time, as many at once, through the bus to a screen on a terminal of its own. Prints the
processor's time of this process as a share of one core, without a screen and with it at each size, and what one frame
and one entry take.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from patter_cli.core.journal import Entry, parse_journal
from patter_cli.observe.bus import Bus, Observer
from patter_cli.tui.draw import draw
from patter_cli.tui.fold import ScreenFold
from patter_cli.tui.live import LiveScreen, rendered
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import theme
from patter_cli.tui.tty import BEGIN
from tests.unit.tui.stored import DATA

SIZES = ((60, 20), (80, 24), (200, 60))


def calls() -> list[list[Entry]]:
    """The stored calls, parsed once."""
    return [list(parse_journal(path.read_text(encoding="utf-8"))) for path in sorted(DATA.glob("*.jsonl"))]


def tell(observer: Observer, count: int, seconds: float) -> None:
    """So many calls at once, in real time, each at another place of itself."""
    stored = calls()
    bus = Bus(observer)
    due = [
        (each.at - 1500 * number % 20_000, f"C{number}", each)
        for number in range(count)
        for each in stored[number % len(stored)]
    ]
    began = time.monotonic()
    for at, call_id, entry in sorted(due, key=lambda each: each[0]):
        if at > seconds * 1000:
            break
        time.sleep(max(0.0, began + at / 1000 - time.monotonic()))
        bus.publish(call_id, entry)
    bus.close(1.0)


class Nowhere:
    """Takes what would be printed."""

    def divert(self, taker: Callable[[TextIO, str], None] | None) -> None:
        pass

    def put(self, stream: TextIO, text: str) -> None:
        pass


@contextmanager
def terminal(width: int, height: int) -> Iterator[tuple[TextIO, list[int], list[float]]]:
    """A terminal that is read: with how many bytes it was sent, and when each update came."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    sent, updates = [0], list[float]()

    def read() -> None:
        while True:
            try:
                data = os.read(reader, 65536)
            except OSError:
                return
            sent[0] += len(data)
            updates.extend([time.monotonic()] * data.count(BEGIN))

    threading.Thread(target=read, daemon=True).start()
    with open(writer, "r+b", buffering=0) as raw:
        yield _Text(raw.fileno()), sent, updates
    os.close(reader)


class _Text:
    """A terminal's side for LiveScreen."""

    encoding = "utf-8"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


def cpu_share(run: Callable[[], None]) -> float:
    """Processor's time of this process while it runs, in shares of a core."""
    began, used = time.monotonic(), time.process_time()
    run()
    return (time.process_time() - used) / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    wanted = parser.parse_args()

    stored = calls()
    fold, fed, began = ScreenFold(), 0, time.perf_counter()
    for number in range(wanted.calls):
        for entry in stored[number % len(stored)][:150]:
            fold.feed(f"C{number}", entry, entry.at / 1000)
            fed += 1
    print(f"an entry: {1e6 * (time.perf_counter() - began) / fed:.1f} us")
    for width, height in SIZES:
        took = []
        before = None
        for number in range(100):
            began = time.perf_counter()
            view = fold.view(30 + number / 4, shown="C3", lag_ms=number % 5)
            frame = draw(view, Steering(), title="patter", width=width, height=height, theme=theme(coloured=True))
            rendered(frame, before)
            before = frame
            took.append(time.perf_counter() - began)
        took.sort()
        print(f"a frame of {width}x{height}: {1e3 * took[50]:.2f} ms, p99 {1e3 * took[98]:.2f}")

    bare = cpu_share(lambda: tell(lambda call_id, entry: None, wanted.calls, wanted.seconds))
    print(f"{wanted.calls} calls, no screen: {100 * bare:.2f} % of a core")
    for width, height in SIZES:
        with terminal(width, height) as (tty, sent, updates):
            screen = LiveScreen("patter", stdin=tty, stdout=tty, coloured=True)
            with screen.shown(Nowhere()):
                share = cpu_share(lambda screen=screen: tell(screen, wanted.calls, wanted.seconds))
        more = 100 * (share - bare)
        in_a_second = max(sum(at <= each < at + 1 for each in updates) for at in updates)
        print(
            f"{wanted.calls} calls, {width}x{height}: {more:.2f} % of a core more, {sent[0] / wanted.seconds:.0f} B/s, "
            f"{len(updates) / wanted.seconds:.1f} updates a second, {in_a_second} at most"
        )


if __name__ == "__main__":
    main()
