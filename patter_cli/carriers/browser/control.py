"""What a page can be asked for beside the audio: nobody stands behind it, so nothing but to hang up."""

from __future__ import annotations

from patter_cli.errors import CallRejected


class BrowserControl:
    """One call's. The socket closes when the call is over, and that hangs up."""

    async def hang_up(self) -> None:
        """Nothing to ask of anybody."""

    async def transfer(self, number: str) -> None:
        """Raises CallRejected: a page reaches nobody else."""
        raise CallRejected("a call from the browser cannot be put through to a telephone")

    async def send_digits(self, digits: str) -> None:
        """Raises CallRejected: nobody at the other end reads keys."""
        raise CallRejected("a page takes no keys")

    async def start_recording(self) -> None:
        """Raises CallRejected: there is no carrier that could."""
        raise CallRejected("calls from the browser are recorded by nobody")

    async def stop_recording(self) -> None:
        """Nothing is recorded."""
