"""What a vendor of ears sent that was no message of its own kind, found by the fuzzer and kept."""

from __future__ import annotations

import json
import logging

import pytest

from patter_cli.errors import ProviderError
from patter_cli.providers.deepgram import NovaDialect
from patter_cli.providers.live_hearing import HearingDialect, Words
from patter_cli.providers.openai_speech import TranscriptionDialect
from patter_cli.providers.soniox import TokensDialect
from tests.fuzz.vendors import ACME

DEEP = '{"a":' * 900 + "1" + "}" * 900


def test_a_token_that_is_no_object_is_passed_over() -> None:
    """The words around it are heard."""
    tokens = [{"text": "Hello ", "is_final": True}, "start", 5, None, {"text": "there", "is_final": False}]
    (heard,) = TokensDialect(ACME, {}).receive(json.dumps({"tokens": tokens}))
    assert heard == Words(0, "Hello there")


@pytest.mark.parametrize("dialect", [TranscriptionDialect(ACME, {}, coded=False), NovaDialect(ACME)])
def test_a_reason_that_is_no_text_is_not_told(dialect: HearingDialect, caplog: pytest.LogCaptureFixture) -> None:
    """However deep it is: nothing of it is formatted."""
    kinds = ("conversation.item.input_audio_transcription.failed", "Error")
    with caplog.at_level(logging.WARNING):
        for kind in kinds:
            message = f'{{"type":"{kind}","item_id":"i1","error":{{"message":{DEEP}}},"description":{DEEP}}}'
            try:
                dialect.receive(message)
            except ProviderError as error:
                assert '"a"' not in str(error)  # noqa: PT017
    assert "{'a'" not in caplog.text
