"""The part of Twilio's API that a number's set-up asks, with a state: what is set is there when it is read."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from patter_cli import Twilio
from tests.contract.twilio_api import ACCOUNT, TOKEN

NUMBER = "+15550100001"
NUMBER_ID = "PN00000000000000000000000000000001"
BEFORE = {
    "sid": NUMBER_ID,
    "phone_number": NUMBER,
    "voice_url": "https://old.example.com/answer",
    "voice_method": "GET",
    "voice_fallback_url": "https://old.example.com/fallback",
    "voice_fallback_method": "POST",
    "status_callback": "",
    "status_callback_method": "POST",
    "voice_application_sid": "",
    "trunk_sid": "",
}
_PLACES = {"".join(part.title() for part in name.split("_")): name for name in BEFORE}


class NumbersApi:
    """One account with one number."""

    def __init__(self) -> None:
        self.number: dict[str, Any] = dict(BEFORE)
        self.asked: list[str] = []
        self.down = False
        """It answers 503."""
        self.ignores = False
        """What is set is not used."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def carrier(self) -> Twilio:
        return Twilio(ACCOUNT, TOKEN, base_url=self.url)

    def __enter__(self) -> NumbersApi:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, url: str, form: str, authorization: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(f"{method} {url}")
        if self.down:
            return 503, {"code": 20503, "message": "Service unavailable"}
        if authorization != "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode():
            return 401, {"code": 20003, "message": "Authentication Error - invalid username", "status": 401}
        parts = urlsplit(url)
        path = parts.path.removeprefix(f"/2010-04-01/Accounts/{ACCOUNT}/")
        if path == "IncomingPhoneNumbers.json":
            mine = parse_qs(parts.query)["PhoneNumber"] == [NUMBER]
            return 200, {"incoming_phone_numbers": [self.number] if mine else []}
        if path != f"IncomingPhoneNumbers/{NUMBER_ID}.json":
            return 404, {"code": 20404, "message": "not found", "status": 404}
        if method == "POST" and not self.ignores:
            self.number |= {_PLACES[name]: value for name, value in parse_qsl(form, keep_blank_values=True)}
        return 200, self.number

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                form = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                status, body = api.answer(self.command, self.path, form, self.headers.get("authorization", ""))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, format: str, *arguments: Any) -> None:
                return

        return Handler


def twilio() -> Twilio:
    """The carrier of a process of its own, which asks the API that NUMBERS_API names."""
    return Twilio(base_url=os.environ["NUMBERS_API"])
