"""The part of the API that reads what is kept of calls. Everything here may block, and runs in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from patter_cli.contracts.store import CallQuery, CallRecord, CallStats, CallStore
from patter_cli.core.journal import parse_entry
from patter_cli.errors import InputError
from patter_cli.observe.export import csv_lines, record_facts, row_facts
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.observe.retold import tell
from patter_cli.web import shapes
from patter_cli.web.endpoint import Asked, Conflict, Endpoint, Facts, NotFound, in_markup, json_bytes
from patter_cli.web.sound import sound_response

STAGES: tuple[shapes.StageName, ...] = ("endpointing", "stt", "llm", "clause", "tts", "handover")


class StoredCalls:
    """The calls of one store."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What can be asked."""
        return (
            Endpoint(
                method="GET", path="/calls", name="listCalls", summary="List calls, the youngest first.",
                query=shapes.ListCalls, reply=shapes.CallsPage, read=self.list,
            ),
            Endpoint(
                method="GET", path="/calls/export", name="exportCalls",
                summary="All calls that fit with all that was written down: JSON lines, or CSV for a spreadsheet.",
                query=shapes.ExportCalls, gives="application/x-ndjson", read=self.export,
            ),
            Endpoint(
                method="GET", path="/calls/{call_id}", name="getCall",
                summary="One call as it went, turn by turn, with its waterfall, costs and record.",
                reply=shapes.CallPage, faults=(404,), read=self.page, young=True,
            ),
            Endpoint(
                method="GET", path="/calls/{call_id}/journal", name="getJournal",
                summary="Everything that happened in a call and was ordered because of it, a JSON line each.",
                gives="application/x-ndjson", faults=(404,), read=self.journal, young=True,
            ),
            Endpoint(
                method="GET", path="/calls/{call_id}/recording", name="getRecording",
                summary="The sound of a call that was recorded here, WAV.",
                gives="audio/wav", headers={"Range": "bytes=FROM-TO: a part of it."}, faults=(404, 416),
                read=self.recording, young=True,
            ),
            Endpoint(
                method="DELETE", path="/calls/{call_id}", name="deleteCall",
                summary="Forget a call that is over, with its recording.", gives="", status=204, faults=(404, 409),
                read=self.delete,
            ),
            Endpoint(
                method="GET", path="/analytics/overview", name="getOverview",
                summary="Volume, outcomes, and what callers waited for, by agent, day and number.",
                query=shapes.Filter, reply=shapes.Overview, read=self.overview,
            ),
            Endpoint(
                method="GET", path="/analytics/costs", name="getCosts",
                summary="What calls cost, by leg and vendor, agent, day and number.",
                query=shapes.Filter, reply=shapes.Costs, read=self.costs,
            ),
        )  # fmt: skip

    def list(self, asked: Asked) -> Facts:
        query = asked.query
        found = self._store.list(_query(query, limit=query.limit + 1, after=query.after))
        rows = found[: query.limit]
        return {
            "calls": [row_facts(each) for each in rows],
            "next": rows[-1].call_id if len(found) > query.limit else None,
        }

    def export(self, asked: Asked) -> Response:
        records = self._store.export(_query(asked.query, limit=None))
        if asked.query.format == "csv":
            return StreamingResponse(
                csv_lines(records), media_type="text/csv; charset=utf-8", headers=_download("calls.csv")
            )
        lines = (json_bytes(record_facts(each)) + b"\n" for each in records)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=_download("calls.jsonl"))

    def page(self, asked: Asked) -> Facts:
        call_id = asked.path["call_id"]
        record = self._record(call_id)
        lines = list(self._store.journal(call_id))
        story = tell(record, lines).render()
        return {
            "call": row_facts(record.row),
            "waterfall": list(_waterfall(lines)),
            "recording": _recording(record.facts),
            "record": dict(record.facts),
            **story,
        }

    def _record(self, call_id: str) -> CallRecord:
        """Raises NotFound."""
        record = self._store.get(call_id)
        if record is None:
            raise _unknown(call_id)
        return record

    def journal(self, asked: Asked) -> Response:
        call_id = asked.path["call_id"]
        self._record(call_id)
        body = b"".join(in_markup(each) + b"\n" for each in self._store.journal(call_id))
        return Response(body, media_type="application/x-ndjson")

    def recording(self, asked: Asked) -> Response:
        call_id = asked.path["call_id"]
        record = self._record(call_id)
        place = record.facts.get("recording_path")
        if not isinstance(place, str) or not place:
            raise NotFound("this call's sound is not kept here", hint="patter serve --record")
        return sound_response(Path(place), asked.headers.get("range", ""))

    def delete(self, asked: Asked) -> Response:
        call_id = asked.path["call_id"]
        try:
            gone = self._store.delete(call_id)
        except InputError as error:
            raise Conflict(str(error), hint=error.hint) from error
        if not gone:
            raise _unknown(call_id)
        return Response(status_code=204)

    def overview(self, asked: Asked) -> Facts:
        stats = self._store.stats(_query(asked.query, limit=None))
        return {
            "calls": stats.calls,
            "live": stats.live,
            "duration_s": stats.duration_s,
            "known_usd": stats.known_usd,
            "unpriced": stats.unpriced,
            "outcomes": dict(stats.outcomes),
            "stages": {name: asdict(each) for name, each in stats.stages.items()},
            **_shares(stats),
        }

    def costs(self, asked: Asked) -> Facts:
        stats = self._store.stats(_query(asked.query, limit=None))
        return {
            "calls": stats.calls,
            "known_usd": stats.known_usd,
            "unpriced": stats.unpriced,
            "legs": [asdict(each) for each in stats.vendors],
            **_shares(stats),
        }


def _query(asked: shapes.Filter, *, limit: int | None, after: str | None = None) -> CallQuery:
    since, until = _unix_s("since", asked.since), _unix_s("until", asked.until)
    if since is not None and until is not None and until <= since:
        raise InputError("until is not after since", hint="until names the end of the time")
    return CallQuery(
        since=since,
        until=until,
        agent=asked.agent,
        outcome=None if asked.outcome is None else asked.outcome.value,
        number=asked.number,
        text=asked.text,
        min_duration_s=asked.min_duration_s,
        max_duration_s=asked.max_duration_s,
        min_usd=asked.min_usd,
        max_usd=asked.max_usd,
        after=after,
        limit=limit,
    )


def _unix_s(name: str, at: datetime | None) -> float | None:
    """Raises InputError for a time that this machine's clock has no number for."""
    try:
        return None if at is None else at.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{name}: no call was that long ago", hint="see docs/api.md") from error


def _waterfall(lines: list[str]) -> Iterator[Facts]:
    fold = LatencyFold()
    for line in lines:
        try:
            entry = parse_entry(line)
        except InputError:
            continue
        latency = fold.feed(entry)
        if latency is not None:
            yield turn_stages(latency, entry.at)


def turn_stages(latency: TurnLatency, to_ms: int) -> Facts:
    """Where a turn's time went, by call time. to_ms: when its answer was first heard."""
    at = from_ms = to_ms - latency.total_ms
    stages = []
    for name in STAGES:
        took_ms = getattr(latency, f"{name}_ms")
        stages.append({"name": name, "from_ms": at, "to_ms": at + took_ms})
        at += took_ms
    return {"turn": latency.turn, "from_ms": from_ms, "to_ms": to_ms, "stages": stages}


def _recording(facts: Mapping[str, object]) -> Facts | None:
    """Where the sound is; what a record says of it may be of an older form."""
    place, known = facts.get("recording_path"), facts.get("recording")
    here = isinstance(place, str) and bool(place)
    told: Mapping[str, Any] = known if isinstance(known, dict) else {}
    if not here and not told:
        return None
    duration_ms = told.get("duration_ms")
    return {
        "here": here,
        "url": str(told.get("url") or ""),
        "duration_ms": duration_ms if isinstance(duration_ms, int) else None,
    }


def _shares(stats: CallStats) -> Facts:
    return {name: [asdict(each) for each in getattr(stats, name)] for name in ("agents", "days", "numbers")}


def _download(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _unknown(call_id: str) -> NotFound:
    return NotFound(f"there is no call {call_id[:64]!r}", hint="GET /api/v1/calls")
