"""Telnyx's own client, as the referee of our lab: it commands it, verifies what it posts, and knows every field."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import telnyx
from pydantic import TypeAdapter
from telnyx import AsyncTelnyx
from telnyx.lib import WebhookVerificationError
from telnyx.types.call_answered_webhook_event import CallAnsweredWebhookEvent
from telnyx.types.call_bridged_webhook_event import CallBridgedWebhookEvent
from telnyx.types.call_dtmf_received_webhook_event import CallDtmfReceivedWebhookEvent
from telnyx.types.call_hangup_webhook_event import CallHangupWebhookEvent
from telnyx.types.call_initiated_webhook_event import CallInitiatedWebhookEvent
from telnyx.types.call_machine_detection_ended_webhook_event import CallMachineDetectionEndedWebhookEvent
from telnyx.types.call_machine_greeting_ended_webhook_event import CallMachineGreetingEndedWebhookEvent
from telnyx.types.call_machine_premium_detection_ended_webhook_event import (
    CallMachinePremiumDetectionEndedWebhookEvent as PremiumDetectionEnded,
)
from telnyx.types.call_machine_premium_detection_started_webhook_event import (
    CallMachinePremiumDetectionStartedWebhookEvent as PremiumDetectionStarted,
)
from telnyx.types.call_machine_premium_greeting_ended_webhook_event import (
    CallMachinePremiumGreetingEndedWebhookEvent as PremiumGreetingEnded,
)
from telnyx.types.call_playback_ended_webhook_event import CallPlaybackEndedWebhookEvent
from telnyx.types.call_playback_started_webhook_event import CallPlaybackStartedWebhookEvent
from telnyx.types.call_recording_saved_webhook_event import CallRecordingSavedWebhookEvent
from telnyx.types.call_speak_ended_webhook_event import CallSpeakEndedWebhookEvent
from telnyx.types.call_speak_started_webhook_event import CallSpeakStartedWebhookEvent
from telnyx.types.call_streaming_failed_webhook_event import CallStreamingFailedWebhookEvent
from telnyx.types.call_streaming_started_webhook_event import CallStreamingStartedWebhookEvent
from telnyx.types.call_streaming_stopped_webhook_event import CallStreamingStoppedWebhookEvent
from websockets.asyncio.server import ServerConnection, serve

from patter_cli import Telnyx
from patter_cli.contracts.carrier.carrier import CarrierRequest
from patter_cli.testing.lab.people import HangUp, Pause, Person, Press, Say, Tone
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from tests.lab import HOST, Office, quick, until

EVENTS: dict[str, Any] = {
    "call.initiated": CallInitiatedWebhookEvent,
    "call.answered": CallAnsweredWebhookEvent,
    "call.hangup": CallHangupWebhookEvent,
    "call.bridged": CallBridgedWebhookEvent,
    "call.dtmf.received": CallDtmfReceivedWebhookEvent,
    "call.machine.detection.ended": CallMachineDetectionEndedWebhookEvent,
    "call.machine.greeting.ended": CallMachineGreetingEndedWebhookEvent,
    "call.machine.premium.detection.started": PremiumDetectionStarted,
    "call.machine.premium.detection.ended": PremiumDetectionEnded,
    "call.machine.premium.greeting.ended": PremiumGreetingEnded,
    "call.playback.started": CallPlaybackStartedWebhookEvent,
    "call.playback.ended": CallPlaybackEndedWebhookEvent,
    "call.recording.saved": CallRecordingSavedWebhookEvent,
    "call.speak.started": CallSpeakStartedWebhookEvent,
    "call.speak.ended": CallSpeakEndedWebhookEvent,
    "streaming.started": CallStreamingStartedWebhookEvent,
    "streaming.stopped": CallStreamingStoppedWebhookEvent,
    "streaming.failed": CallStreamingFailedWebhookEvent,
}
WEBHOOK = f"https://{HOST}/webhooks/telnyx/voice"

CHATTY = Person(name="chatty", picks_up_ms=100, steps=(Say("x" * 10), Pause(20_000)))
MACHINE = Person(
    name="machine", picks_up_ms=100, steps=(Pause(100), Say("x" * 450), Pause(300), Tone(ms=300), Pause(20_000))
)
PRESSES = Person(name="presses keys", picks_up_ms=100, steps=(Pause(600), Press("4#"), Pause(300), HangUp()))


class World:
    """The lab, Telnyx's own client, and a server of theirs that takes webhooks and a stream."""

    def __init__(self, lab: TelnyxLab, client: AsyncTelnyx, office: Office, streamed: list[Any]) -> None:
        self.lab = lab
        self.client = client
        self.office = office
        self.streamed = streamed

    @property
    def came(self) -> list[dict[str, Any]]:
        """The events that came."""
        return [json.loads(each.body)["data"] for each in self.office.got]

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of those of a kind."""
        return [each["payload"] for each in self.came if each["event_type"] == kind]

    async def until(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        await until(lambda: len(self.told(kind)) >= count)
        return self.told(kind)

    async def dial(self, person: Person, **more: Any) -> str:
        self.lab.people["+12025550142"] = person
        given = {"connection_id": self.lab.connection_id, "from_": self.lab.number, "webhook_url": WEBHOOK, **more}
        reply = await self.client.calls.dial(to="+12025550142", **given)
        assert reply.data is not None
        return reply.data.call_control_id


@asynccontextmanager
async def world(warnings: int = 0) -> AsyncIterator[World]:
    """warnings: what Telnyx's console would have shown by the end."""
    streamed: list[Any] = []

    async def stream(socket: ServerConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            streamed.append(message)
            if message["event"] == "start":
                await socket.send(json.dumps({"event": "media", "media": {"payload": b64encode(b"\0" * 800).decode()}}))
                await socket.send(json.dumps({"event": "mark", "mark": {"name": "played"}}))

    async with (
        Office() as office,
        quick(TelnyxLab, office.port, webhook_url=WEBHOOK) as lab,
        serve(stream, "127.0.0.1", 0) as sockets,
    ):
        lab.reach["stream.example.com"] = next(iter(sockets.sockets)).getsockname()[1]
        client = AsyncTelnyx(api_key=lab.api_key, public_key=lab.public_key, base_url=lab.base_url, max_retries=2)
        try:
            yield World(lab, client, office, streamed)
        finally:
            await client.close()
    assert len(lab.warnings) == warnings, lab.warnings
    for each in office.got:  # every one of them, with every field that it has
        headers, body = each.headers, each.body.decode()
        await client.webhooks.unwrap(body, headers=headers)  # type: ignore[misc]
        with pytest.raises(WebhookVerificationError):
            await client.webhooks.unwrap(body + " ", headers=headers)  # type: ignore[misc]
        kind = json.loads(body)["data"]["event_type"]
        TypeAdapter(EVENTS[kind]).validate_json(body)
        Telnyx(public_key=lab.public_key).verify(
            CarrierRequest(method="POST", url=WEBHOOK, headers=headers, body=body.encode()),
            float(headers["telnyx-timestamp"]),
        )


STREAM = {
    "stream_url": "wss://stream.example.com/1",
    "stream_track": "inbound_track",
    "stream_bidirectional_mode": "rtp",
    "stream_bidirectional_codec": "PCMU",
    "stream_bidirectional_target_legs": "self",
}


async def test_it_dials_and_hangs_up() -> None:
    """A call with its stream, asked for with the dial; its status meanwhile and afterwards; its end is told."""
    async with world() as here:
        call_id = await here.dial(CHATTY, client_state="eA==", command_id="d", **STREAM)
        (started,) = await here.until("streaming.started")
        assert (started["stream_url"], started["client_state"]) == (STREAM["stream_url"], "eA==")
        await until(lambda: any(each["event"] == "mark" for each in here.streamed))
        status = await here.client.calls.retrieve_status(call_id)
        assert status.data is not None
        assert status.data.is_alive
        await here.client.calls.actions.send_dtmf(call_id, digits="12#", duration_millis=250)
        line = here.lab.calls[call_id].line
        assert line is not None
        await until(lambda: line.keys_heard == "12#")
        reply = await here.client.calls.actions.hangup(call_id, command_id="h")
        assert reply.data is not None
        assert reply.data.result == "ok"
        (over,) = await here.until("call.hangup")
        assert (over["hangup_cause"], over["hangup_source"], over["sip_hangup_cause"]) == (
            "normal_clearing",
            "caller",
            "200",
        )
        await here.until("streaming.stopped")
        status = await here.client.calls.retrieve_status(call_id)
        assert status.data is not None
        assert not status.data.is_alive
        assert status.data.end_time
        with pytest.raises(telnyx.UnprocessableEntityError, match="90018"):
            await here.client.calls.actions.hangup(call_id)
    assert [each["event"] for each in here.streamed[:2]] == ["connected", "start"]
    assert here.streamed[-1]["event"] == "stop"


async def test_a_stream_that_is_lost_is_told_as_failed() -> None:
    """The call goes on, and may have another; one that its server closes has just stopped."""
    async with world() as here:
        call_id = await here.dial(CHATTY, **STREAM)
        await here.until("streaming.started")
        stream = here.lab.stream(here.lab.calls[call_id])
        assert stream is not None
        stream.drop()
        (failed,) = await here.until("streaming.failed")
        assert failed["failure_reason"] == "connection_lost"
        await here.client.calls.actions.start_streaming(call_id, **STREAM)  # type: ignore[arg-type]
        await here.until("streaming.started", 2)
        await here.client.calls.actions.stop_streaming(call_id)
        await here.until("streaming.stopped")
        await here.client.calls.actions.hangup(call_id)
        await here.until("call.hangup")


async def test_it_answers_a_call() -> None:
    """Parked until then; the keys of whoever rang come as events and on the stream."""
    async with world() as here:
        call = here.lab.ring(here.lab.number, PRESSES)
        (rings,) = await here.until("call.initiated")
        assert (rings["direction"], rings["state"]) == ("incoming", "parked")
        with pytest.raises(telnyx.UnprocessableEntityError, match="90034"):
            await here.client.calls.actions.start_streaming(call.call_id, stream_url="wss://stream.example.com/1")
        await here.client.calls.actions.answer(call.call_id, **STREAM)  # type: ignore[arg-type]
        (over,) = await here.until("call.hangup")
        assert (over["hangup_source"], over["hangup_cause"]) == ("caller", "normal_clearing")
        await here.until("streaming.stopped")
        assert [each["digit"] for each in here.told("call.dtmf.received")] == ["4", "#"]
    assert [each["dtmf"]["digit"] for each in here.streamed if each["event"] == "dtmf"] == ["4", "#"]


async def test_it_declines_a_call() -> None:
    """The caller hears busy."""
    async with world() as here:
        call = here.lab.ring(here.lab.number, PRESSES)
        await here.until("call.initiated")
        await here.client.calls.actions.reject(call.call_id, cause="USER_BUSY")
        (over,) = await here.until("call.hangup")
        assert (over["hangup_cause"], over["sip_hangup_cause"]) == ("user_busy", "486")


async def test_it_knows_every_verdict() -> None:
    """Of a machine with a beep, by the detection that was asked for."""
    await asyncio.gather(
        detected("premium", ["premium.detection.started", "premium.detection.ended", "premium.greeting.ended"]),
        detected("greeting_end", ["detection.ended", "greeting.ended"]),
    )


async def detected(mode: str, kinds: list[str]) -> None:
    async with world() as here:
        await here.dial(MACHINE, answering_machine_detection=mode)
        (ended,) = await here.until(f"call.machine.{kinds[-1]}")
        assert ended["result"] == "beep_detected"
        came = here.came
        machine = [each["event_type"] for each in came if ".machine." in each["event_type"]]
        assert machine == [f"call.machine.{each}" for each in kinds]
        verdict = next(each["payload"]["result"] for each in came if each["event_type"].endswith("detection.ended"))
        assert verdict == "machine"


async def test_it_records_speaks_and_connects() -> None:
    """Recording, Telnyx's own voice, a transfer to its end; a stream that cannot be opened is told."""
    async with world(warnings=1) as here:
        call_id = await here.dial(CHATTY)
        await here.until("call.answered")
        actions = here.client.calls.actions
        await actions.start_recording(call_id, format="wav", channels="dual", client_state="cg==")
        await actions.start_streaming(call_id, stream_url="wss://127.0.0.1:9/nobody")
        (failed,) = await here.until("streaming.failed")
        assert failed["stream_params"] == {"stream_url": "wss://127.0.0.1:9/nobody", "track": "inbound_track"}
        await actions.speak(call_id, payload="xx", voice="female", service_level="basic", language="en-US")
        (spoke,) = await here.until("call.speak.ended")
        assert spoke["status"] == "completed"
        await actions.start_playback(call_id, audio_url="https://files.example.com/1.mp3")
        await actions.stop_playback(call_id)
        await here.until("call.playback.ended")
        await actions.stop_recording(call_id)
        (saved,) = await here.until("call.recording.saved")
        assert saved["client_state"] == "cg=="
        (recording,) = [each async for each in await here.client.recordings.list(filter={"call_control_id": call_id})]
        assert recording.download_urls is not None
        assert recording.id is not None
        assert here.lab.files[recording.id][:4] == b"RIFF"
        here.lab.people["+12025550143"] = CHATTY
        await actions.transfer(call_id, to="+12025550143", target_leg_client_state="dA==", send_digits_on_answer="w42")
        bridged = await here.until("call.bridged", 2)
        assert {each["client_state"] for each in bridged} == {"cg==", "dA=="}
        *_, target = here.lab.calls.values()
        await until(lambda: target.line is not None and target.line.keys_heard == "42")
        await actions.hangup(call_id)
        over = await here.until("call.hangup", 2)
        assert {each["hangup_cause"] for each in over} == {"normal_clearing"}


async def test_it_reads_and_sets_numbers_and_applications() -> None:
    """As a portal does."""
    async with world() as here:
        (number,) = [
            each async for each in await here.client.phone_numbers.list(filter={"phone_number": here.lab.number})
        ]
        assert number.connection_id == here.lab.connection_id
        shown = await here.client.call_control_applications.retrieve(here.lab.connection_id)
        assert shown.data is not None
        assert shown.data.webhook_event_url == WEBHOOK
        await here.client.call_control_applications.update(
            here.lab.connection_id, application_name="agents", webhook_event_url="https://new.example.com/"
        )
        shown = await here.client.call_control_applications.retrieve(here.lab.connection_id)
        assert shown.data is not None
        assert shown.data.webhook_event_url == "https://new.example.com/"


async def test_it_is_refused_as_by_telnyx() -> None:
    """Its own errors, by their statuses."""
    async with world() as here:
        stranger = AsyncTelnyx(api_key="KEYother", base_url=here.lab.base_url, max_retries=0)
        with pytest.raises(telnyx.AuthenticationError, match="10009"):
            await stranger.calls.hangup("v3:x") if hasattr(
                stranger.calls, "hangup"
            ) else await stranger.calls.actions.hangup("v3:x")
        await stranger.close()
        with pytest.raises(telnyx.UnprocessableEntityError, match="90015"):
            await here.client.calls.actions.hangup("v3:nobody")
        with pytest.raises(telnyx.PermissionDeniedError, match="10010"):
            await here.dial(CHATTY, from_="+12025550177")
        with pytest.raises(telnyx.UnprocessableEntityError, match="10016"):
            await here.client.calls.dial(to="0123", from_=here.lab.number, connection_id=here.lab.connection_id)
