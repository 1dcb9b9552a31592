"""What the operating system refuses is told in words of ours."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from patter_cli.errors import reason


def refusal_of(work: Callable[[], object]) -> OSError:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one is the question
        work()
    return caught.value


def test_what_a_real_disk_refuses(tmp_path: Path) -> None:
    """Asked of the system itself."""
    (tmp_path / "file").write_text("")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for work, words in (
        (lambda: (tmp_path / "missing").read_bytes(), "there is no such file or folder"),
        (lambda: tmp_path.read_bytes(), "it is a folder"),
        (lambda: (tmp_path / "file" / "x").read_bytes(), "a part of its path is no folder"),
        (lambda: (tmp_path / ("x" * 300)).read_bytes(), "its name is too long"),
        (lambda: (tmp_path / "round").read_bytes(), "its links lead in a circle"),
        (lambda: (tmp_path / "file").mkdir(), "there is something of that name already"),
        (lambda: os.write(os.open("/dev/full", os.O_WRONLY), b"x"), "the disk is full"),
    ):
        assert reason(refusal_of(work)) == words


def test_what_a_real_network_refuses() -> None:
    """A closed port, a name that nobody has, a wait that was too long."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert reason(refusal_of(lambda: socket.create_connection(taken.getsockname()))) == "nothing listens there"
    assert reason(socket.gaierror(-2, "Name or service not known")) == "no such host is known"
    assert reason(TimeoutError()) == "no answer came"
    assert reason(ConnectionResetError(errno.ECONNRESET, "x")) == "the other side broke it off"
    assert reason(ssl.SSLCertVerificationError(1, "certificate verify failed")) == (
        "its certificate is not one that we trust"
    )
    assert reason(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]")) == "it does not speak TLS as we do"


def test_it_lies_below_what_libraries_make_of_it() -> None:
    """The innermost refusal of a chain; where there is none, the words as they are, and never None."""
    try:
        try:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")
        except OSError as error:
            raise OSError("All connection attempts failed") from error
    except OSError as error:
        inner = error
    outer = RuntimeError("All connection attempts failed")
    outer.__cause__ = inner
    assert reason(outer) == "nothing listens there"
    assert reason(OSError("multiple exceptions")) == "multiple exceptions"
    assert reason(OSError()) == "OSError"
    assert reason(ValueError("odd")) == "odd"
    assert reason(OSError(errno.EXDEV, os.strerror(errno.EXDEV))) == os.strerror(errno.EXDEV)
