"""What a stranger's socket may cost us: every size, rate and deadline of the server in one value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Defaults are the ones served with; tests shorten the deadlines."""

    header_bytes: int = 16 * 1024
    """Request line and headers together. A carrier's webhook sends about 1 KiB."""

    body_bytes: int = 64 * 1024
    """A request body. A carrier's webhook is below 4 KiB."""

    body_s: float = 10.0
    """From the end of the headers to the end of the body."""

    keep_alive_s: float = 5.0
    """An HTTP connection between requests, and the time its headers may take."""

    write_s: float = 10.0
    """One write of an HTTP response, and the last of it, to a peer that does not read."""

    message_bytes: int = 64 * 1024
    """One WebSocket message, all its fragments. 20 ms of L16 at 16 kHz is 1 KiB."""

    frames_per_turn: int = 64
    """Frames taken from one socket before the other sockets have their turn: about 0.2 ms of work."""

    breath_s: float = 0.02
    """How long a socket that sends too much is not read: one frame time, unheard in a call that only caught up."""

    messages_per_s: int = 200
    """Of one call, with a burst of one second: a line that froze for 2 s brings 100 at once. Carriers send 50."""

    keys_per_s: int = 20
    """Keys of one call, with a burst of one second: a finger presses ten."""

    early_media: int = 10
    """Media messages kept when they overtake `start`: 200 ms of 20 ms."""

    start_s: float = 5.0
    """From the upgrade to `start`. Carriers send it at once."""

    media_gap_s: float = 15.0
    """Without media the line is dead: carriers send 20 ms frames through silence too."""

    end_s: float = 1.0
    """What a call has to finish in once its stream is over; then it is cancelled."""

    ping_s: float = 10.0
    """Between our pings; a peer silent through two of them is dead."""

    send_stall_s: float = 2.0
    """A socket that takes nothing for so long, its buffers being full already, has a carrier that hangs."""

    send_buffer_bytes: int = 64 * 1024
    """The kernel's part of those buffers. Left to itself it grows to 4 MB: minutes of speech nobody hears."""

    send_queue_s: float = 1.0
    """Audio kept for a socket that takes nothing; what comes on top is dropped."""

    close_s: float = 0.5
    """For the other side to answer our close frame; then the socket is cut."""

    max_waiting: int = 1000
    """Sockets that have not sent `start`; they take no call's place."""

    max_connections: int = 2000
    """Open sockets of any kind; less where the process may not open as many."""

    goodbye_s: float = 4.0
    """For the closing sentence at the end of a drain; the fifth second is for taking the sockets down."""
