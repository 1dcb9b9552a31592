"""AudioSocket's bytes, mutated by the million: `python -m tests.fuzz.fuzz_audiosocket [N] [SEED]`; prints what it saw.

It stops with the bytes that did it when the decoder raises, keeps more than a message, or reads what it was given in
another way when the network cuts it otherwise.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter

from patter_cli.carriers.asterisk.stream import AudioSocketStream
from patter_cli.contracts.carrier.stream import MediaIn, StreamMessage

START = b"\x01\x00\x10" + bytes(range(16))
SAMPLES = (
    START,
    b"\x10\x01\x40" + b"\x01\x02" * 160,
    b"\x12\x02\x80" + b"\x01\x02" * 320,
    b"\x03\x00\x015",
    b"\x00\x00\x00",
    b"\xff\x00\x01\x02",
    b"\x42\x00\x03abc",
)
"""One of each message. Source: Asterisk, include/asterisk/res_audiosocket.h."""
MOST_KEPT = 3 + 0xFFFF


def main(count: int, seed: int) -> None:
    """Read `count` mutated streams; raises what the decoder raises, with the bytes on stderr."""
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    began = time.perf_counter()
    for number in range(count):
        data = mutated(b"".join(dice.choices(SAMPLES, k=dice.randrange(1, 6))), dice)
        data = START + data if dice.random() < 0.8 else data
        try:
            whole, cut = read(data, []), read(data, [dice.randrange(40) for _ in range(dice.randrange(12))])
            assert whole == cut, "cut otherwise, it is read otherwise"
        except BaseException:
            print(f"seed {seed}, input {number}: {data!r}", file=sys.stderr)
            raise
        seen.update(type(each).__name__ for each in whole)
    print(f"{count} inputs, seed {seed}, {time.perf_counter() - began:.1f} s, 0 exceptions; {dict(seen)}")


def read(data: bytes, cuts: list[int]) -> list[StreamMessage]:
    """What a new decoder makes of it, in pieces of these sizes and the rest."""
    stream, found, at = AudioSocketStream(), list[StreamMessage](), 0
    for size in (*cuts, len(data)):
        stream.push(data[at : at + size], 0.0)
        at += size
        while (message := stream.pop()) is not None:
            found.append(message)
            assert not isinstance(message, MediaIn) or 0 < len(message.payload) <= MOST_KEPT
        assert len(stream._buffer) <= MOST_KEPT + size
    return found


def mutated(data: bytes, dice: random.Random) -> bytes:
    """With up to four places cut, doubled, or replaced by something odd."""
    for _ in range(dice.randrange(5)):
        begin = dice.randrange(len(data) + 1)
        end = min(len(data), begin + dice.choice((0, 1, 1, 2, 3, 20, 320)))
        piece = dice.choice((b"", data[begin:end] * 2, bytes([dice.randrange(256)]), dice.randbytes(3), b"\xff\xff"))
        data = data[:begin] + piece + data[end:]
    return data


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*(int(each) for each in given + ["100000", str(random.randrange(2**32))][len(given) :]))
