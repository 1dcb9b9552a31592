"""What vendors of ears and voices say is read by, for the fuzzer: one message in, a word for what came of it out.

A reader meets many messages in a row, as a session does. Whatever it makes of them must be usable: words are text,
times are numbers, sound is bytes; whatever it refuses is a ProviderError without our key.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from patter_cli.audio.frame import ULAW_8K
from patter_cli.errors import ProviderError
from patter_cli.providers import assemblyai, cartesia, deepgram, elevenlabs, lmnt, openai_speech, rime, soniox
from patter_cli.providers import speechmatics as matics
from patter_cli.providers.live_hearing import Flushed, HearingDialect, Words
from patter_cli.providers.live_voice import Said, Sound, VoiceDialect
from patter_cli.providers.said_words import SaidWords
from patter_cli.providers.sound import SoundReader
from patter_cli.providers.speech_formats import LINEAR_16K
from tests.fuzz.vendors import ACME, SECRET

NOVA = (
    '{"type":"Results","channel_index":[0,1],"duration":1.98,"start":5.99,"is_final":true,"speech_final":false,"channel":'
    '{"alternatives":[{"transcript":"i want to book","confidence":0.98,"words":[{"word":"i","start":6.1,"end":6.2}]}]},'
    '"from_finalize":true}',
    '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":8.12}',
    '{"type":"Error","variant":"SchemaError","description":"bad","message":"x"}',
)
FLUX = (
    '{"type":"Connected","request_id":"u","sequence_id":0}',
    '{"type":"TurnInfo","event":"EndOfTurn","trigger":"model","turn_index":3,"transcript":"I want to book a table.",'
    '"end_of_turn_confidence":0.83,"words":[],"audio_window_start":0.0,"audio_window_end":2.4,"sequence_id":19}',
    '{"type":"Error","code":"INTERNAL_SERVER_ERROR","description":"gone","sequence_id":24}',
)
OPENAI = (
    '{"type":"session.updated","session":{}}',
    '{"type":"input_audio_buffer.committed","item_id":"i1","previous_item_id":null}',
    '{"type":"conversation.item.input_audio_transcription.delta","item_id":"i1","delta":"I want"}',
    '{"type":"conversation.item.input_audio_transcription.completed","item_id":"i1","transcript":"I want it."}',
    '{"type":"conversation.item.input_audio_transcription.failed","item_id":"i1","error":{"message":"no"}}',
    '{"type":"error","error":{"type":"t","code":"input_audio_buffer_commit_empty","message":"m","param":"format"}}',
)
INK = (
    '{"type":"transcript","text":"book a ","is_final":true,"duration":1.2,"words":[{"word":"book","start":0.1}]}',
    '{"type":"flush_done","request_id":"r"}',
    '{"type":"turn.update","transcript":"book a","request_id":"r"}',
    '{"type":"turn.end","transcript":"book a table","request_id":"r"}',
    '{"type":"error","title":"t","message":"m","status_code":400,"error_code":"c"}',
)
ASSEMBLY = (
    '{"type":"Begin","id":"u","expires_at":1795300000}',
    '{"type":"Turn","turn_order":4,"end_of_turn":true,"transcript":"I need a table.","words":[]}',
    '{"type":"Error","error_code":3006,"error":"bad"}',
)
SONIOX = (
    '{"tokens":[{"text":"Hel","start_ms":600,"end_ms":760,"is_final":true},{"text":"lo","is_final":false}],'
    '"final_audio_proc_ms":760,"total_audio_proc_ms":880}',
    '{"tokens":[{"text":"<end>","is_final":true},{"text":"<fin>","is_final":true}],"total_audio_proc_ms":900}',
    '{"error_code":503,"error_type":"t","error_message":"Cannot continue request","request_id":"r"}',
)
MATICS = (
    '{"message":"RecognitionStarted","id":"u"}',
    '{"message":"AddPartialTranscript","metadata":{"start_time":0.0,"end_time":0.6,"transcript":"I want"}}',
    '{"message":"AddTranscript","metadata":{"transcript":"I want to book. "},"results":[{"type":"word"}]}',
    '{"message":"EndOfUtterance","metadata":{"start_time":1.7,"end_time":1.7}}',
    '{"message":"Error","type":"quota_exceeded","reason":"r","code":4005}',
)
ELEVEN = (
    '{"audio":"AAECAwQF","contextId":"c1","isFinal":null,"alignment":{"chars":["H","i"],"charStartTimesMs":[0,40],'
    '"charDurationsMs":[40,60]}}',
    '{"isFinal":true,"contextId":"c1"}',
    '{"message":"m","error":"quota_exceeded","code":1008}',
)
SONIC = (
    '{"type":"chunk","context_id":"c1","data":"AAECAwQF","done":false,"status_code":206}',
    '{"type":"timestamps","context_id":"c1","word_timestamps":{"words":["Hi"],"start":[0.0],"end":[0.2]}}',
    '{"type":"flush_done","flush_done":true,"context_id":"c1"}',
    '{"type":"error","context_id":"c1","title":"t","message":"m","error_code":"c","status_code":429}',
)
RIME = (
    '{"type":"chunk","data":"AAECAwQF","contextId":"c1"}',
    '{"type":"timestamps","word_timestamps":{"words":["Hi"],"start":[0.0],"end":[0.2]},"contextId":"c1"}',
    '{"type":"done","contextId":"c1"}',
    '{"type":"error","message":"m"}',
)
LMNT = (
    '{"type":"ready","request_id":"r"}',
    '{"type":"timestamps","timestamps":[{"text":"Hi","start":0.0,"duration":0.2}]}',
    '{"type":"flush_complete","nonce":1}',
    '{"type":"error","request_id":"r","error":{"type":"rate_limit_error","message":"m"}}',
)
LINES = (
    '{"audio_base64":"AAECAwQF","alignment":{"characters":["H","i"],"character_start_times_seconds":[0.0,0.04],'
    '"character_end_times_seconds":[0.04,0.1]}}\n',
    '{"detail":{"status":"quota_exceeded","message":"m"}}\n',
)
WAV = base64.b64encode(
    b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0"
    b"data\x08\0\0\0\x01\0\x02\0\x03\0\x04\0"
).decode()

HEARING: dict[str, tuple[tuple[str, ...], Callable[[], HearingDialect]]] = {
    "stt-nova": (NOVA, lambda: deepgram.NovaDialect(ACME)),
    "stt-flux": (FLUX, lambda: deepgram.FluxDialect(ACME)),
    "stt-openai": (OPENAI, lambda: openai_speech.TranscriptionDialect(ACME, {}, coded=False)),
    "stt-ink": (INK, lambda: cartesia.InkDialect(ACME)),
    "stt-ink-turns": (INK, lambda: cartesia.InkTurnsDialect(ACME)),
    "stt-assemblyai": (ASSEMBLY, lambda: assemblyai.TurnsDialect(ACME)),
    "stt-soniox": (SONIOX, lambda: soniox.TokensDialect(ACME, {})),
    "stt-speechmatics": (MATICS, lambda: matics.UtterancesDialect(ACME, {})),
}
SPEAKING: dict[str, tuple[tuple[str, ...], Callable[[], VoiceDialect]]] = {
    "tts-elevenlabs": (ELEVEN, lambda: elevenlabs.ElevenLabsDialect(ACME, {})),
    "tts-cartesia": (SONIC, lambda: cartesia.SonicDialect(ACME, {})),
    "tts-rime": (RIME, lambda: rime.RimeDialect(ACME)),
    "tts-lmnt": (LMNT, lambda: lmnt.LmntDialect(ACME, {})),
}


def refused(error: ProviderError) -> str:
    """An error that a vendor's message led to: fit to be shown."""
    assert SECRET not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 600
    return type(error).__name__


def hearing_reader(new: Callable[[], HearingDialect]) -> Callable[[random.Random], Callable[[str], str]]:
    """Reads messages of one session."""

    def target(dice: random.Random) -> Callable[[str], str]:
        dialect = new()

        def read(text: str) -> str:
            try:
                heard = dialect.receive(text)
            except ProviderError as error:
                return refused(error)
            for each in heard:
                if isinstance(each, Words):
                    assert isinstance(each.text, str)
                    assert each.until_s is None or isfinite(each.until_s)
                if isinstance(each, Flushed) and each.until_s is not None:
                    assert isfinite(each.until_s)
            return type(heard[-1]).__name__ if heard else "nothing"

        return read

    return target


def speaking_reader(new: Callable[[], VoiceDialect]) -> Callable[[random.Random], Callable[[str], str]]:
    """Reads messages of one session; what they say of words is believed as a session would."""

    def target(dice: random.Random) -> Callable[[str], str]:
        dialect = new()
        words, sound = SaidWords("Hi there"), SoundReader(ACME, ULAW_8K, out=ULAW_8K, rate_hz=8000)

        def read(text: str) -> str:
            try:
                told = dialect.receive(text)
                for each in told:
                    if isinstance(each, Sound):
                        sound.push(each.data)
                    if isinstance(each, Said):
                        _believed(words, each)
            except ProviderError as error:
                return refused(error)
            return type(told[-1]).__name__ if told else "nothing"

        return read

    return target


def _believed(words: SaidWords, said: Said) -> None:
    for piece, start_ms, end_ms in zip(said.pieces, said.starts_ms, said.ends_ms, strict=False):
        words.add(piece, start_ms, end_ms)
    times = words.times()
    assert len(times.starts_ms) == len(times.ends_ms) <= 2
    assert all(0 <= start <= end for start, end in zip(times.starts_ms, times.ends_ms, strict=True))


def lines_reader(dice: random.Random) -> Callable[[str], str]:
    """An object a line, cut somewhere."""
    reader = elevenlabs.LineReader(ACME)

    def read(text: str) -> str:
        body = text.encode("utf-8", "surrogatepass")
        cut = dice.randrange(len(body) + 1)
        try:
            found: list[Any] = [*reader.push(body[:cut]), *reader.push(body[cut:] + b"\n")]
        except ProviderError as error:
            return refused(error)
        return type(found[-1]).__name__ if found else "nothing"

    return read


def sound_reader(dice: random.Random) -> Callable[[str], str]:
    """A body that may be a file, a page or sound, cut somewhere; as samples, or as a line speaks."""

    def read(text: str) -> str:
        try:
            body = base64.b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            body = text.encode("utf-8", "surrogatepass")
        cut = dice.randrange(len(body) + 1)
        reader = SoundReader(ACME, LINEAR_16K, out=dice.choice((None, ULAW_8K)), rate_hz=16000)
        made = []
        try:
            made = [reader.push(body[:cut]), reader.push(body[cut:]), reader.end()]
        except ProviderError as error:
            return refused(error)
        for each in made:
            assert each is None or isinstance(each, bytes) or each.dtype == np.int16
        return "sound" if any(each is not None and len(each) for each in made) else "nothing"

    return read
