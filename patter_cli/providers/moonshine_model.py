"""Moonshine's network: an encoder that hears up to 15 s at once, and a decoder that writes a token at a time.

Theory of operation. `transcribe` is greedy: the likeliest token each time. For a short sound it is also asked how
likely each of some phrases is (`Offer`): they are laid out as a tree of tokens, and the few likeliest branches are
followed to their ends, all of them in one run of the decoder a token. A phrase is taken if it is not less likely than
what was written by more than OFFER_NATS: where the sound is clear, what was written is hundreds of times likelier than
all the phrases that it is not, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from patter_cli.audio.frame import FloatSamples
from patter_cli.providers.inference import onnx_session, verified

RATE_HZ = 16000
"""What the model listens at."""

SHORT_SAMPLES = RATE_HZ * 8 // 5
"""No longer than this is a short answer, breaths and all."""

OFFER_NATS = 5.0
"""How much less likely than what was written an offered phrase may be. Source: tests/bench/short_answers.py; at 2 half
again as many answers are misheard, and much above, other words are taken for answers."""

_BRANCHES = 12
"""How many beginnings of phrases are followed at once."""

_TOKENS_PER_S = 6.5
"""Nobody talks faster; a model that does is repeating itself."""

_LAYERS, _HEADS, _HEAD_SIZE = 6, 8, 36
_FIRST_TOKEN, _LAST_TOKEN = 1, 2
_BYTE_TOKENS = 259
"""Below this are special tokens and single bytes; words are written with those above."""
_ENDINGS = (".", "?", ",", "!")

_FOLDER = "assets/tiny-en"
_ENCODER_SHA256 = "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
_DECODER_SHA256 = "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0"
_TOKENIZER_SHA256 = "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d"
PACKAGE = "moonshine_voice"
FILES = {
    f"{_FOLDER}/encoder_model.ort": _ENCODER_SHA256,
    f"{_FOLDER}/decoder_model_merged.ort": _DECODER_SHA256,
    f"{_FOLDER}/tokenizer.bin": _TOKENIZER_SHA256,
}
"""What of the package is used, with the SHA-256 of each."""


@dataclass(slots=True)
class Offer:
    """A tree of phrases. phrase: the one that ends here, if one does."""

    branches: dict[int, Offer] = field(default_factory=dict)
    phrase: str | None = None


@dataclass(slots=True)
class _Written:
    """What greedy decoding wrote, how likely it was, and what is needed to ask about something else."""

    tokens: list[int]
    log_likelihood: float
    first: npt.NDArray[np.float32]
    """Log-probabilities of the first token, shape (vocabulary,)."""
    cache: dict[str, npt.NDArray[np.float32]]
    """After the first step: what was heard, and the first token's own."""


class Model:
    """The network itself. Stateless between calls; any number of threads may use it at once."""

    def __init__(self) -> None:
        self._encoder = onnx_session(verified(PACKAGE, f"{_FOLDER}/encoder_model.ort", _ENCODER_SHA256))
        self._decoder = onnx_session(verified(PACKAGE, f"{_FOLDER}/decoder_model_merged.ort", _DECODER_SHA256))
        self._tokens = _tokens(verified(PACKAGE, f"{_FOLDER}/tokenizer.bin", _TOKENIZER_SHA256))
        self._numbers: dict[bytes, int] = {}
        for number, token in enumerate(self._tokens[_BYTE_TOKENS:], _BYTE_TOKENS):
            self._numbers.setdefault(token, number)

    def offer(self, phrases: Iterable[str]) -> Offer:
        """Lay phrases out for `transcribe`. A phrase that cannot be written in the model's tokens is left out."""
        root = Offer()
        for phrase in phrases:
            for ending in _ENDINGS:
                tokens = self._spell(f" {phrase}{ending}")
                if tokens is None:
                    break
                node = root
                for token in tokens:
                    node = node.branches.setdefault(token, Offer())
                node.phrase = f"{phrase}."
        return root

    def transcribe(self, speech: FloatSamples, unwanted: Callable[[], bool], offer: Offer | None = None) -> str:
        """Greedy decoding, the same on every run. speech: 16 kHz, -1..1, 0.1 to 15 s. offer: for a short sound."""
        mask = np.ones((1, speech.size), np.int64)
        (heard,) = self._encoder.run(None, {"input_values": speech[np.newaxis], "attention_mask": mask})
        short = offer is not None and speech.size <= SHORT_SAMPLES
        written = self._write(heard, mask, int(speech.size / RATE_HZ * _TOKENS_PER_S) + 2, unwanted, weighed=short)
        if short and offer is not None and not unwanted():
            phrase = self._likeliest(heard, mask, written, offer)
            if phrase is not None:
                return phrase
        return b"".join(_written(self._tokens[token]) for token in written.tokens).decode("utf-8", "ignore")

    def _write(self, heard: Any, mask: Any, limit: int, unwanted: Callable[[], bool], *, weighed: bool) -> _Written:
        nothing = np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32)
        inputs: dict[str, Any] = dict.fromkeys(_PAST_OWN + _PAST_HEARD, nothing)
        inputs |= {"encoder_hidden_states": heard, "encoder_attention_mask": mask}
        inputs |= {"use_cache_branch": np.array([False]), "input_ids": np.array([[_FIRST_TOKEN]], np.int64)}
        past, wanted = _PAST_OWN + _PAST_HEARD, _PRESENT_OWN + _PRESENT_HEARD
        written = _Written([], 0.0, np.zeros(0, np.float32), {})
        for step in range(limit):
            if unwanted():
                break
            logits, *present = self._decoder.run(["logits", *wanted], inputs)
            token = int(logits[0, -1].argmax())
            if weighed:
                likely = _log_softmax(logits[:, -1])[0]
                written.log_likelihood += float(likely[token])
                if step == 0:
                    written.first, written.cache = likely, dict(zip(past, present, strict=True))
            if token == _LAST_TOKEN:
                break
            written.tokens.append(token)
            inputs.update(zip(past, present, strict=True))
            inputs["input_ids"] = np.array([[token]], np.int64)
            if past is not _PAST_OWN:  # what was heard stays as the first step left it
                inputs["use_cache_branch"] = np.array([True])
                past, wanted = _PAST_OWN, _PRESENT_OWN
        return written

    def _likeliest(self, heard: Any, mask: Any, written: _Written, offer: Offer) -> str | None:
        """The likeliest phrase of those offered, if it is likely enough."""
        least = written.log_likelihood - OFFER_NATS
        best: str | None = None
        own = {name: written.cache[name] for name in _PAST_OWN}
        fixed = {name: written.cache[name] for name in _PAST_HEARD}
        fixed |= {"encoder_hidden_states": heard, "encoder_attention_mask": mask}
        # Of each branch: how likely so far, its last token, what may follow, and the row of the cache it continues.
        branches = [(float(written.first[token]), token, node, 0) for token, node in offer.branches.items()]
        while branches := sorted((each for each in branches if each[0] > least), key=lambda each: -each[0])[:_BRANCHES]:
            rows = [row for _, _, _, row in branches]
            inputs: dict[str, Any] = {name: value[rows] for name, value in own.items()}
            inputs |= {name: np.repeat(value, len(rows), axis=0) for name, value in fixed.items()}
            inputs["use_cache_branch"] = np.array([True])
            inputs["input_ids"] = np.array([[token] for _, token, _, _ in branches], np.int64)
            logits, *present = self._decoder.run(["logits", *_PRESENT_OWN], inputs)
            own = dict(zip(_PAST_OWN, present, strict=True))
            likely = _log_softmax(logits[:, -1])
            following = []
            for row, (so_far, _, node, _) in enumerate(branches):
                if node.phrase is not None and so_far + float(likely[row, _LAST_TOKEN]) > least:
                    best, least = node.phrase, so_far + float(likely[row, _LAST_TOKEN])
                for number, after in node.branches.items():
                    following.append((so_far + float(likely[row, number]), number, after, row))
            branches = following
        return best

    def _spell(self, text: str) -> list[int] | None:
        """A text in the model's tokens: the pair that makes the earliest token is joined first, until none is left."""
        pieces = [_BLANK if letter == " " else letter.encode() for letter in text]
        while True:
            joined = [self._numbers.get(a + b) for a, b in pairwise(pieces)]
            known = [number for number in joined if number is not None]
            if not known:
                break
            at = joined.index(min(known))
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        numbers = [self._numbers.get(piece) for piece in pieces]
        return None if None in numbers else [number for number in numbers if number is not None]


_BLANK = "▁".encode()
"""How a blank is written in the tokens."""


def _log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    out: npt.NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return out


def _cache_names(prefix: str, whose: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{layer}.{whose}.{part}" for layer in range(_LAYERS) for part in ("key", "value"))


_PAST_OWN, _PAST_HEARD = _cache_names("past_key_values", "decoder"), _cache_names("past_key_values", "encoder")
_PRESENT_OWN, _PRESENT_HEARD = _cache_names("present", "decoder"), _cache_names("present", "encoder")


def _tokens(content: bytes) -> list[bytes]:
    """The tokenizer's file: records of a length (one byte, or two from 128 up) and as many bytes of UTF-8."""
    tokens: list[bytes] = []
    at = 0
    while at < len(content):
        size = content[at]
        at += 1
        if size >= 128:
            size = content[at] * 128 + size - 128
            at += 1
        tokens.append(content[at : at + size])
        at += size
    return tokens


def _written(token: bytes) -> bytes:
    """How a token is written: <0x41> is a raw byte, U+2581 a blank, <s> and the like nothing."""
    if len(token) == 6 and token.startswith(b"<0x"):
        return bytes([int(token[3:5], 16)])
    if token in (b"<unk>", b"<s>", b"</s>"):
        return b""
    return token.replace(_BLANK, b" ")
