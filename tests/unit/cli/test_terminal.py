"""Printing while calls are live: in order, and never waiting for whoever should read."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from patter_cli.cli import terminal
from patter_cli.cli.terminal import Terminal

ROOT = Path(__file__).parents[3]


def opened(write: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(os.fdopen(write, "wb"), encoding="utf-8", write_through=True)


def everything(read: int) -> str:
    with os.fdopen(read, "rb") as file:
        return file.read().decode()


def ends(kind: str) -> tuple[int, int]:
    """(read, write) of a pipe or of a terminal."""
    if kind == "pipe":
        return os.pipe()
    master, slave = pty.openpty()
    tty.setraw(slave)
    return master, slave


def test_all_of_it_is_written_in_the_order_it_was_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prints, log lines, both streams on one pipe; the streams are what they were afterwards."""
    read, write = os.pipe()
    out, err = opened(write), opened(os.dup(write))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    handler = logging.StreamHandler(err)
    logging.getLogger().addHandler(handler)
    try:
        with Terminal():
            assert sys.stdout is not out
            assert sys.stdout.encoding == "utf-8"
            assert not sys.stdout.isatty()
            for number in range(200):
                print("out", number, "ünï", flush=True)
                print("err", number, file=sys.stderr)
                logging.getLogger("x").warning("log %d", number)
    finally:
        logging.getLogger().removeHandler(handler)
    assert (sys.stdout, sys.stderr, handler.stream) == (out, err, err)
    out.close()
    err.close()
    said = everything(read).splitlines()
    assert said == [line for n in range(200) for line in (f"out {n} ünï", f"err {n}", f"log {n}")]


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_nobody_reads_and_nobody_waits(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each print returns at once; who reads at last gets the oldest, and is told how much is missing."""
    monkeypatch.setattr(terminal, "ROOM_CHARS", 300_000)
    read, write = ends(kind)
    out = opened(write)
    monkeypatch.setattr(sys, "stdout", out)
    got: list[bytes] = []

    def reader() -> None:
        while (data := os.read(read, 65536)) and b"the end" not in data:
            got.append(data)
        got.append(data)

    with Terminal():
        late = 0
        for number in range(5000):
            began = time.monotonic()
            print(f"{number:05}" + "x" * 95)
            late += time.monotonic() - began > 0.05
        assert late < 50, "that is not this machine's hiccups"
        thread = threading.Thread(target=reader, daemon=True)
        thread.start()
        time.sleep(0.5)
        print("the end")
    thread.join(2)
    lines = b"".join(got).decode().splitlines()
    assert lines.pop() == "the end"
    told = [line for line in lines if line.startswith("… ")]
    missing = sum(int(line.split()[1]) for line in told)
    kept = [int(line[:5]) for line in lines if line not in told]
    assert missing > 500
    assert len(kept) + missing == 5000
    assert kept == sorted(kept)
    assert kept[:600] == list(range(600))


@pytest.mark.parametrize("leave", ["", "sys.exit(3)"])
def test_the_program_ends_though_nobody_reads(leave: str) -> None:
    """It gives the reader a moment, then goes with the exit code it meant to."""
    program = f"""
import sys
from patter_cli.cli.terminal import Terminal
with Terminal():
    for _ in range(5000):
        print("x" * 99)
    print("trouble", file=sys.stderr)
{leave}
"""
    read, write = os.pipe()
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, cwd=ROOT, timeout=20, check=False
    )
    assert done.returncode == (3 if leave else 0)
    assert done.stderr == b""
    assert time.monotonic() - began < 5
    os.close(write)
    os.close(read)


def broken(stream: io.TextIOWrapper, read: int) -> None:
    os.close(read)


def closed(stream: io.TextIOWrapper, read: int) -> None:
    stream.close()


@pytest.mark.parametrize("how", [broken, closed])
def test_a_reader_that_has_gone_is_no_error(
    how: Callable[[io.TextIOWrapper, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`patter serve | head`: what is printed goes nowhere, calls go on."""
    read, write = os.pipe()
    out = opened(write)
    monkeypatch.setattr(sys, "stdout", out)
    with Terminal():
        how(out, read)
        print("hello")
        time.sleep(0.1)
        print("hello")
    assert sys.stdout is out


def test_a_stream_that_is_no_file_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a test runner."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with Terminal():
        print("hello")
    assert out.getvalue() == "hello\n"


def test_who_has_the_terminal_takes_what_is_printed_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that goes to a file still does; afterwards lines go to the terminal again."""
    master, slave = ends("terminal")
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdout", opened(slave))
    monkeypatch.setattr(sys, "stderr", opened(write))
    taken: list[str] = []
    with Terminal() as printing:
        printing.divert(lambda stream, text: taken.append(text))
        print("for the screen")
        print("for the file", file=sys.stderr)
        printing.divert(None)
        print("for the terminal")
    sys.stderr.close()
    assert taken == ["for the screen\n"]
    assert everything(read) == "for the file\n"
    assert os.read(master, 100) == b"for the terminal\n"
    sys.stdout.close()
    os.close(master)
