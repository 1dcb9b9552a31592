"""A recording as a browser wants it: in parts, so that it can begin anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from starlette.responses import Response, StreamingResponse

from patter_cli.errors import reason
from patter_cli.web.endpoint import NotFound, fault

PIECE_BYTES: Final = 64 * 1024
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_KINDS: Final = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac"}


def sound_response(path: Path, wanted: str) -> Response:
    """The file, or the part of it that a Range header asks for; what cannot be read as one asks for all. Raises
    NotFound. Blocks. Source: RFC 9110, section 14."""
    kind = _KINDS.get(path.suffix.lower())
    try:
        if kind is None or not path.is_file():
            raise NotFound("the recording is not where it was put")
        size = path.stat().st_size
        with path.open("rb"):  # whether it can be: once the answer has begun it is too late to say so
            pass
    except OSError as error:
        raise NotFound(f"the recording cannot be read: {reason(error)}") from error
    headers = {"accept-ranges": "bytes"}
    found = _RANGE.fullmatch(wanted.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return StreamingResponse(
            _pieces(path, 0, size), media_type=kind, headers={**headers, "content-length": str(size)}
        )
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first > last:
        refused = fault(416, "bad_range", f"the recording has {size} bytes")
        refused.headers["content-range"] = f"bytes */{size}"
        return refused
    headers |= {"content-range": f"bytes {first}-{last}/{size}", "content-length": str(last + 1 - first)}
    return StreamingResponse(_pieces(path, first, last + 1 - first), 206, media_type=kind, headers=headers)


def _pieces(path: Path, first: int, count: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while count > 0 and (piece := file.read(min(PIECE_BYTES, count))):
            count -= len(piece)
            yield piece
