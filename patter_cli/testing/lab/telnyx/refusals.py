"""How Telnyx refuses a request: a status, and one or more reasons with their codes.

Source: the OpenAPI document of Telnyx's API v2 (call-control, UnprocessableEntityResponse and its examples) and its
table of API error codes, 2026-11. Where those name a reason and no status, 422 is what live systems report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One entry of `errors`. pointer: which field, as a JSON pointer; "": none."""

    code: str
    title: str
    detail: str
    pointer: str = ""

    def render(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"code": self.code, "title": self.title, "detail": self.detail}
        if self.pointer:
            entry["source"] = {"pointer": self.pointer}
        return entry


class Refusal(Exception):
    """A request that Telnyx does not carry out."""

    def __init__(self, status: int, *reasons: Reason, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(", ".join(f"{each.code} {each.title}" for each in reasons))
        self.status = status
        self.reasons = reasons
        self.headers = dict(headers or {})


# --- one field -----------------------------------------------------------------------------------------------------


def missing(name: str) -> Reason:
    return Reason(
        code="10004",
        title="Missing required parameter",
        detail=f"The '{name}' parameter is required and cannot be blank.",
        pointer=f"/{name}",
    )


def malformed(name: str, wanted: str) -> Reason:
    """A field of another type."""
    return Reason(
        code="10015", title="Bad Request", detail=f"The '{name}' parameter must be {wanted}.", pointer=f"/{name}"
    )


def not_e164(name: str) -> Reason:
    return Reason(
        code="10016",
        title="Phone number must be in +E164 format",
        detail=f"The '{name}' parameter must be in E164 format.",
        pointer=f"/{name}",
    )


def not_one_of(name: str, values: tuple[str, ...]) -> Reason:
    listed = ", ".join(sorted(values))
    return Reason(
        code="10032",
        title="Invalid enumerated value",
        detail=f"The value must be one of: {listed}.",
        pointer=f"/{name}",
    )


def out_of_range(name: str, low: int, high: int) -> Reason:
    return Reason(
        code="10033",
        title="Value outside of range",
        detail=f"The value is outside of allowed range {low} to {high}",
        pointer=f"/{name}",
    )


def not_base64(name: str) -> Reason:
    return Reason(
        code="90017",
        title="Invalid value for client_state",
        detail=f"The '{name}' parameter must be a valid Base64 encoded string.",
        pointer=f"/{name}",
    )


# --- the whole request ---------------------------------------------------------------------------------------------


def unauthorized() -> Refusal:
    detail = "The required authentication headers were either invalid or not included in the request."
    return Refusal(401, Reason(code="10009", title="Authentication failed", detail=detail))


def too_many(reset_s: int, limit: int) -> Refusal:
    """Source: Telnyx docs, rate limiting: the three headers, the last in seconds."""
    headers = {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset_s)}
    detail = "You have exceeded the maximum number of allowed requests."
    return Refusal(429, Reason(code="10011", title="Too many requests", detail=detail), headers=headers)


def not_found() -> Refusal:
    detail = "The requested resource or URL could not be found."
    return Refusal(404, Reason(code="10005", title="Resource not found", detail=detail))


def not_json() -> Refusal:
    return Refusal(400, Reason(code="10023", title="Invalid JSON", detail="The supplied JSON was invalid."))


def not_our_media_type() -> Refusal:
    detail = "The request failed because the server does not support the media type."
    return Refusal(415, Reason(code="10014", title="Unsupported Media Type", detail=detail))


def no_application() -> Refusal:
    return Refusal(
        422,
        Reason(
            code="10015",
            title="Invalid value for connection_id (Call Control App ID)",
            detail="The requested connection_id (Call Control App ID) is either invalid or does not exist. "
            "Only Call Control Apps with valid webhook URL are accepted.",
            pointer="/connection_id",
        ),
    )


def unverified_caller() -> Refusal:
    """Source: reports of live accounts; the same thing on a SIP trunk is 403, D51."""
    detail = "Unverified origination number"
    return Refusal(403, Reason(code="10010", title="Authorization failed", detail=detail, pointer="/from"))


def no_such_call() -> Refusal:
    return Refusal(
        422,
        Reason(
            code="90015",
            title="Invalid Call Control ID",
            detail="The call_control_id provided was not valid.",
            pointer="/call_control_id",
        ),
    )


def call_is_over() -> Refusal:
    detail = "This call is no longer active and can't receive commands."
    return Refusal(422, Reason(code="90018", title="Call has already ended", detail=detail))


def not_answered_yet() -> Refusal:
    detail = "This call can't receive this command because it has not been answered yet."
    return Refusal(422, Reason(code="90034", title="Call not answered yet", detail=detail))


def no_audio_yet() -> Refusal:
    return Refusal(
        422,
        Reason(
            code="90020",
            title="Call recording triggered before audio started",
            detail="Call recording cannot be started until audio has commenced on the call.",
        ),
    )


def answered_already() -> Refusal:
    """Source: reports of live accounts: something like this comes to whoever answers twice, with no code of its own."""
    detail = "This command can't be issued because the call has been answered already."
    return Refusal(422, Reason(code="90033", title="Unable to execute command", detail=detail))


def streams_already() -> Refusal:
    detail = "This command can't be issued when media streaming is used."
    return Refusal(422, Reason(code="90045", title="Media Streaming is used", detail=detail))


def does_not_stream() -> Refusal:
    detail = "This command can't be issued because media streaming is not used."
    return Refusal(422, Reason(code="90048", title="Media Streaming is not used", detail=detail))
