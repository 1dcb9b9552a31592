"""Every decoder that reads what strangers may write, fed with mutations: `python -m tests.fuzz.decoders TARGET SECONDS
[SEED]`; TARGET `all` takes one after the other. It stops with the input that did it.

A target reads one input and says in a word what came of it. Whatever it raises is a finding, and so is anything that it
lets through and that should not have been: each checks what it got.
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from patter_cli import Telnyx, Twilio
from patter_cli.carriers.loopback.stream import LoopbackLine, LoopbackStream
from patter_cli.carriers.telnyx import rest as telnyx_rest
from patter_cli.carriers.telnyx import webhook as telnyx_webhook
from patter_cli.carriers.telnyx.stream import TelnyxLine, TelnyxStream, format_of
from patter_cli.carriers.twilio import rest as twilio_rest
from patter_cli.carriers.twilio.stream import TwilioLine, TwilioStream
from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.contracts.carrier.carrier import AnswerPlan, CarrierRequest
from patter_cli.contracts.carrier.stream import LineCodec, MediaIn, StreamCodec, StreamStarted
from patter_cli.errors import BadSignature, CarrierError, PatterError, StreamProtocolError
from patter_cli.server.control_messages import BadRequest, read_reply, read_request
from patter_cli.server.tickets import check
from tests.fuzz import engines, files, speech, vendors
from tests.fuzz.stream_samples import LINE_SAMPLES, SAMPLES, STREAM_ID, TELNYX_LINE_SAMPLES, TELNYX_SAMPLES, mutated
from tests.memory import kept_bytes
from tests.unit.carriers.telnyx import events
from tests.unit.carriers.twilio.requests import ACCOUNT, CALL, TOKEN, URL

NESTED = (3, 200, 950, 985, 988, 990, 991, 992, 995, 1000, 3000)
"""Where a reader's own depth meets the interpreter's."""

_TRANSFER = '"transfer":{"request":"0123456789abcdef","refused":"busy"}'
LOOPBACK_SAMPLES = (*SAMPLES, f'{{"event":"transfer",{_TRANSFER},"streamSid":"{STREAM_ID}"}}')
_WISH = '"transfer":{"number":"+12025550142","request":"0123456789abcdef"}'
LOOPBACK_LINE_SAMPLES = (*LINE_SAMPLES, f'{{"event":"transfer","streamSid":"{STREAM_ID}",{_WISH}}}')

FORMS = tuple(
    f"AccountSid={ACCOUNT}&CallSid={CALL}&From=%2B15550100001&To=%2B15550100002{more}"
    for more in (
        "&CallStatus=ringing&Direction=inbound&SipHeader_X-Tier=gold",
        "&CallStatus=in-progress&Direction=outbound-api&AnsweredBy=machine_end_beep&MachineDetectionDuration=4210",
        "&CallStatus=completed&CallDuration=42&CallbackSource=call-progress-events&SequenceNumber=2",
        "&RecordingSid=RE00000000000000000000000000000009&RecordingStatus=completed&RecordingDuration=17",
        "&CallStatus=in-progress&DialCallStatus=busy&DialCallSid=CA2",
    )
)
EVENTS = (
    events.BODY.decode(),
    *(
        json.dumps({"data": {"event_type": kind, "id": "e", "payload": {"call_control_id": events.CALL, **payload}}})
        for kind, payload in (
            ("call.answered", {"client_state": telnyx_webhook.client_state(telnyx_webhook.DIALLED, "k"), "from": "+1"}),
            ("call.hangup", {"hangup_cause": "user_busy", "sip_hangup_cause": "486"}),
            ("call.hangup", {"client_state": telnyx_webhook.client_state(telnyx_webhook.TRANSFER, events.CALL)}),
            ("call.machine.premium.greeting.ended", {"result": "beep_detected"}),
            ("call.machine.detection.ended", {"result": "human"}),
            ("call.initiated", {"direction": "incoming", "custom_headers": [{"name": "X-Tier", "value": "gold"}]}),
            (
                "call.recording.saved",
                {
                    "recording_urls": {"wav": "https://s3.example.com/1.wav"},
                    "recording_started_at": "2026-11-21T12:00:00Z",
                    "recording_ended_at": "2026-11-21T12:00:07.5Z",
                    "recording_id": "r1",
                },
            ),
        )
    ),
)
CONTROL_TOKEN = "the server's token"
ASKED = tuple(
    json.dumps({"token": CONTROL_TOKEN, **each})
    for each in (
        {"do": "ping"},
        {"do": "result", "call_id": "C20261128"},
        {
            "do": "call",
            "to": "+12025550142",
            "from_number": "+12025550100",
            "agent": "hum",
            "variables": {"name": "Ada"},
            "ring_timeout_s": 25,
            "detects_machines": True,
            "first_message": "Hello.",
            "allow": ["GB"],
            "hours": "any",
        },
    )
)
REPLIES = (
    '{"ok": {"call_id": "C1"}}',
    '{"error": {"code": "destination_refused", "message": "no", "hint": "--allow GB rings it"}}',
)
ANSWERS = (
    json.dumps({"sid": CALL, "status": "queued", "date_created": "Sat, 21 Nov 2026 12:00:00 +0000"}),
    json.dumps({"calls": [{"sid": CALL, "to": "+1", "from": "+2", "direction": "outbound-api"}], "code": 21220}),
    json.dumps({"data": {"call_control_id": events.CALL, "is_alive": True}}),
    json.dumps({"errors": [{"code": "90018", "title": "Call has already ended", "detail": "no"}]}),
)

_CALL_ID = re.compile(r"CA[0-9a-fA-F]{32}")
_CALLER = re.compile(r"|\+[1-9][0-9]{1,14}")
_TWILIO, _TELNYX = Twilio(ACCOUNT, TOKEN), Telnyx("KEY", "1", events.PUBLIC_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One decoder. samples: what it should read. read: one input of several texts; returns in a word what it was."""

    samples: tuple[str, ...]
    new: Callable[[random.Random], Callable[[str], str]]
    """Makes a reader, for as many inputs as it may meet in a row."""
    beside_s: float = 0.0
    """What else one input may take, however short it is: files are written, and names looked up."""


def spoilt(samples: tuple[str, ...], dice: random.Random) -> str:
    """A sample, mutated; now and then with something thousands deep in the place of a value."""
    text = mutated(dice.choice(samples), dice)
    if dice.random() < 0.02:
        depth = dice.choice(NESTED)
        deep = dice.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
        values = [*re.finditer(r'"[^"]*"|[0-9]+|null|true|false', text)]
        if values:
            place = dice.choice(values)
            text = text[: place.start()] + deep + text[place.end() :]
    return text


def _ours(codec: Callable[[], StreamCodec], start: str) -> Callable[[random.Random], Callable[[str], str]]:
    def new(dice: random.Random) -> Callable[[str], str]:
        end = codec()
        if dice.random() < 0.8:
            assert isinstance(end.receive(start), StreamStarted)

        def read(text: str) -> str:
            message = end.receive(text)
            if isinstance(message, MediaIn):
                assert message.payload, text
                assert 0 <= message.timestamp_ms < 10**15, text
            return type(message).__name__

        return read

    return new


def _theirs(codec: Callable[[], LineCodec]) -> Callable[[random.Random], Callable[[str], str]]:
    def new(dice: random.Random) -> Callable[[str], str]:
        end = codec()
        return lambda text: type(end.receive(text)).__name__

    return new


def _twilio_request(text: str, dice: random.Random) -> CarrierRequest:
    """A form in the body, or, as seldom in life, in the address; signed as if it were Twilio's wherever it can be."""
    body = text.encode("utf-8", "replace")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    method, url = "POST", URL
    if dice.random() < 0.3:
        query = quote(text, safe="=&%+", errors="replace") if dice.random() < 0.5 else text
        method, url = "GET", f"https://voice.example.com/v?{query}"
    return CarrierRequest(method=method, url=url, headers=headers, body=body)


def _twilio_webhook(dice: random.Random) -> Callable[[str], str]:
    def read(text: str) -> str:
        request = _twilio_request(text, dice)
        for given in ("", signature(request.url + canonical([("CallSid", CALL)]), TOKEN), text[:200]):
            headers = {**request.headers, "x-twilio-signature": given}
            forged = CarrierRequest(method=request.method, url=request.url, headers=headers, body=request.body)
            try:
                _TWILIO.verify(forged, 0.0)
            except BadSignature:
                continue
            raise AssertionError("it was believed")
        try:
            plan = _TWILIO.answer(request)
            facts = _TWILIO.read_callback(request)
        except StreamProtocolError:
            return "refused"
        if plan is None:
            assert all(_CALL_ID.fullmatch(each.carrier_call_id) for each in facts)
            return "report" if facts else "nothing"
        _check_plan(plan, _CALL_ID)
        return "call"

    return read


def _telnyx_webhook(dice: random.Random) -> Callable[[str], str]:
    def read(text: str) -> str:
        body = text.encode("utf-8", "surrogatepass")
        given = {telnyx_webhook.TIMESTAMP: str(events.NOW_S), telnyx_webhook.SIGNATURE: events.SIGNATURE}
        forged = {name: mutated(value, dice) for name, value in given.items()}
        request = CarrierRequest(method="POST", url=URL, headers=forged, body=body)
        try:
            _TELNYX.verify(request, events.NOW_S)
        except BadSignature:
            pass
        else:
            assert body == events.BODY
            assert {name: value.strip(" ") for name, value in forged.items()} == given
        try:
            plan, facts = _TELNYX.answer(request), _TELNYX.read_callback(request)
        except StreamProtocolError:
            return "refused"
        if plan is None:
            assert all(re.fullmatch(r"[^\s/?#%]{1,256}", each.carrier_call_id) for each in facts), text
            return "report" if facts else "nothing"
        _check_plan(plan, re.compile(r"[^\s/?#%]{1,256}"))
        return "call"

    return read


def _check_plan(plan: AnswerPlan, call_id: re.Pattern[str]) -> None:
    assert call_id.fullmatch(plan.carrier_call_id)
    assert _CALLER.fullmatch(plan.caller) or plan.caller.startswith("sip:"), plan.caller
    assert not plan.stream_url
    assert sum(len(name) + len(value) for name, value in plan.variables.items()) < 200_000


def _control(dice: random.Random) -> Callable[[str], str]:
    def read(text: str) -> str:
        line = text.encode("utf-8", "surrogatepass")
        asked = read_request(line, CONTROL_TOKEN)
        try:
            read_reply(line)
        except PatterError:
            pass
        if isinstance(asked, BadRequest):
            assert asked.code in ("bad_input", "unauthorized")
            return asked.code
        assert CONTROL_TOKEN in json.loads(line)["token"]
        return type(asked).__name__

    return read


def _ticket(dice: random.Random) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            check(text, b"secret", 0.0)
        except BadSignature:
            return "refused"
        raise AssertionError("it was believed")

    return read


def _answer(dice: random.Random) -> Callable[[str], str]:
    """What a carrier's API says, or whoever is in its place."""
    twilio = twilio_rest.Account(account_sid=ACCOUNT, auth_token=TOKEN)
    telnyx = telnyx_rest.Account(api_key="KEY0123secret")

    def read(text: str) -> str:
        said = text.encode("utf-8", "surrogatepass")
        body = twilio_rest._object(said)
        ours = twilio_rest.Reply(status=dice.choice((200, 201, 400, 401, 404)), body=body or {})
        assert isinstance(ours.code, int)
        assert isinstance(ours.text("sid"), str)
        ours.rows("calls")
        refusals: list[CarrierError] = [twilio.refused(ours, "ring")]
        try:
            theirs = telnyx_rest._read(dice.choice((200, 404, 422)), said, dice.choice((None, 0.0, 1795262400.0)))
        except telnyx_rest._NoAnswer:
            return "none"
        theirs.text("call_control_id")
        refusals.append(telnyx.refused(theirs, "ring"))
        for each in refusals:
            assert str(each).isprintable()
            assert len(str(each)) < 600
            assert TOKEN not in str(each)
        return "ok" if theirs.ok else "refusal"

    return read


TARGETS: Mapping[str, Target] = {
    "twilio": Target(samples=SAMPLES, new=_ours(TwilioStream, SAMPLES[1])),
    "twilio-line": Target(samples=LINE_SAMPLES, new=_theirs(lambda: TwilioLine(STREAM_ID))),
    "telnyx": Target(samples=TELNYX_SAMPLES, new=_ours(TelnyxStream, TELNYX_SAMPLES[1])),
    "telnyx-l16": Target(
        samples=tuple(
            each.replace('"PCMU"', '"L16"').replace('"sample_rate":8000', '"sample_rate":16000')
            for each in TELNYX_SAMPLES
        ),
        new=_ours(
            lambda: TelnyxStream(format_of("L16", "big")),
            TELNYX_SAMPLES[1].replace('"PCMU"', '"L16"').replace('"sample_rate":8000', '"sample_rate":16000'),
        ),
    ),
    "telnyx-line": Target(samples=TELNYX_LINE_SAMPLES, new=_theirs(TelnyxLine)),
    "loopback": Target(samples=LOOPBACK_SAMPLES, new=_ours(LoopbackStream, SAMPLES[1])),
    "loopback-line": Target(samples=LOOPBACK_LINE_SAMPLES, new=_theirs(lambda: LoopbackLine(STREAM_ID))),
    "twilio-webhook": Target(samples=FORMS, new=_twilio_webhook),
    "telnyx-webhook": Target(samples=EVENTS, new=_telnyx_webhook),
    "control": Target(samples=ASKED + REPLIES, new=_control),
    "ticket": Target(samples=("eyJ0b2tlbiI6IjAwIn0.c2lnbmF0dXJl", "."), new=_ticket),
    "api": Target(samples=ANSWERS, new=_answer),
    **{
        name: Target(samples=vendors.streams(wires), new=vendors.reply_reader(reader))
        for name, (wires, reader) in vendors.READERS.items()
    },
    "refusal": Target(samples=vendors.refusals(), new=vendors.refusal_reader),
    **{name: Target(samples=said, new=speech.hearing_reader(new)) for name, (said, new) in speech.HEARING.items()},
    **{name: Target(samples=said, new=speech.speaking_reader(new)) for name, (said, new) in speech.SPEAKING.items()},
    **{name: Target(samples=said, new=engines.engine_reader(new)) for name, (said, new) in engines.ENGINES.items()},
    "tts-lines": Target(samples=speech.LINES, new=speech.lines_reader),
    "config": Target(samples=files.CONFIG, new=files.config_reader, beside_s=0.03),
    "env": Target(samples=files.ENV, new=files.env_reader, beside_s=0.03),
    "agents": Target(samples=files.AGENTS, new=files.agents_reader, beside_s=0.03),
    "journal": Target(samples=files.journals(), new=files.journal_reader, beside_s=0.03),
    "tts-sound": Target(samples=(speech.WAV, "AAECAwQF", "SUQzBAAAAAAA"), new=speech.sound_reader),
}
"""By the name that the command takes."""


def run(name: str, dice: random.Random, going_on: Callable[[int], bool]) -> Counter[str]:
    """Feed one target for as long as going_on(inputs so far) says; returns what came of them. Raises whatever the
    target did not expect, with the input in its notes."""
    target, seen, count = TARGETS[name], Counter[str](), 0
    while going_on(count):
        read = target.new(dice)
        for _ in range(50):
            text = spoilt(target.samples, dice)
            began_s = time.thread_time()
            try:
                seen[read(text)] += 1
            except BaseException as error:
                error.add_note(f"{name}, input {count}: {text!a:.2000}")
                raise
            spent_s = time.thread_time() - began_s
            # Linear, and the machine may stumble: four times in a row it does not.
            if spent_s > target.beside_s + _limit_s(text) and all(_slow(target, dice, text) for _ in range(3)):
                raise AssertionError(f"{name}, input {count}: {spent_s * 1000:.1f} ms for {text!a:.200}")
            count += 1
    return seen


def _limit_s(text: str) -> float:
    """A millisecond for each KB of an input, and for what it costs to look at it at all."""
    return 0.001 * (1 + len(text) / 1024)


def _slow(target: Target, dice: random.Random, text: str) -> bool:
    read = target.new(dice)
    began_s = time.thread_time()
    read(text)
    return time.thread_time() - began_s > target.beside_s + _limit_s(text)


class _Formatted(logging.Handler):
    """What is logged must be fit to be; nobody reads it."""

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage().encode("utf-8", "surrogatepass")


def main(names: list[str], seconds: float, seed: int) -> None:
    logging.getLogger().addHandler(_Formatted())
    for name in names:
        began_s = time.monotonic()
        tenth_kb = 0

        def going_on(count: int, began_s: float = began_s) -> bool:
            nonlocal tenth_kb
            passed_s = time.monotonic() - began_s
            if not tenth_kb and passed_s > seconds / 10:
                tenth_kb = kept_bytes() >> 10
            return passed_s < seconds

        seen = run(name, random.Random(seed), going_on)
        print(f"{name}: {seen.total()} inputs in {seconds:.0f} s, seed {seed}, 0 exceptions; {dict(seen)}")
        print(f"grown {(kept_bytes() >> 10) - tenth_kb} KB after the first tenth", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    asked, seconds_given, seed_given = given + ["all", "300", str(random.randrange(2**32))][len(given) :]
    main(list(TARGETS) if asked == "all" else [asked], float(seconds_given), int(seed_given))
