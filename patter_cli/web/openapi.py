"""The API as an OpenAPI document, out of the endpoints: `python -m patter_cli.web.openapi > docs/openapi.json`.

It is a file of the project and no path of the server: nobody who finds the port is told what could be asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from patter_cli.version import VERSION
from patter_cli.web import call_events, shapes
from patter_cli.web.endpoint import API, Endpoint

WHY: Final = {
    400: "Something in the request cannot be.", 401: "Nobody has signed in.", 403: "It must not be done.",
    404: "It is not there.", 409: "Not in this state.", 415: "The body is not application/json.",
    416: "There is no such part.",
    429: "Too many wrong tokens.", 500: "What is kept cannot be read.", 502: "The carrier refused or failed.",
    503: "No room, or the server is stopping.",
}  # fmt: skip
_PARAMETER: Final = re.compile(r"{(\w+)}")
_REF: Final = "#/components/schemas/{model}"


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document, JSON values. Source: OpenAPI 3.1."""
    models: list[type[BaseModel]] = [shapes.Fault]
    for each in endpoints:
        models += [model for model in (each.query, each.body, each.reply) if model is not None]
    models += call_events.EVENTS.values()
    _, defined = models_json_schema([(each, "validation") for each in dict.fromkeys(models)], ref_template=_REF)
    schemas: dict[str, Any] = defined["$defs"]
    paths: dict[str, Any] = {}
    for each in endpoints:
        paths.setdefault(f"{API}{each.path}", {})[each.method.lower()] = _operation(each, schemas)
    for name in {each.query.__name__ for each in endpoints if each.query is not None}:
        schemas.pop(name, None)  # they are parameters
    return {
        "openapi": "3.1.0",
        "info": {"title": "Patter", "version": VERSION, "description": "Calls that agents hold: docs/api.md."},
        "servers": [{"url": "http://127.0.0.1:8000"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "webhooks": {name: {"post": _posted(name, model)} for name, model in call_events.EVENTS.items()},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "patter_8000", "description": "patter_PORT."},
            },
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": "It is done." if endpoint.status == 204 else endpoint.summary}
    if endpoint.reply is not None:
        told["content"] = {"application/json": {"schema": _ref(endpoint.reply)}}
    elif endpoint.gives:
        told["content"] = {endpoint.gives: {"schema": {"type": "string"}}}
    typed = {415} if endpoint.body is not None else set()
    faults = sorted({400, 401, 403, 429, 500, *typed, *endpoint.faults})
    fault = {"application/json": {"schema": _ref(shapes.Fault)}}
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_in_path(endpoint), *_in_query(endpoint, schemas), *_in_headers(endpoint)],
        "responses": {
            str(endpoint.status): told,
            **{str(status): {"description": WHY[status], "content": fault} for status in faults},
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(endpoint.body)}}}
    return operation


def _posted(name: str, model: type[call_events.CallEvent]) -> dict[str, Any]:
    """One call event, as `[serve] notify_url` gets it."""
    return {
        "operationId": f"on{name.partition('.')[2].capitalize()}",
        "summary": (model.__doc__ or "").partition("\n")[0],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": said, "schema": {"type": "string"}}
            for name, said in call_events.SENT_ALONG.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(model)}}},
        "responses": {status: {"description": said} for status, said in call_events.TAKEN.items()},
    }


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(endpoint.path)
    ]


def _in_query(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    found = []
    for name, schema in schemas[endpoint.query.__name__]["properties"].items():
        schema = {key: value for key, value in schema.items() if key not in ("title", "description")}
        parameter = {"name": name, "in": "query", "required": False, "schema": schema}
        if description := schemas[endpoint.query.__name__]["properties"][name].get("description"):
            parameter["description"] = description
        found.append(parameter)
    return found


def _in_headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": said, "schema": {"type": "string"}}
        for name, said in endpoint.headers.items()
    ]


def document() -> str:
    """The file."""
    from patter_cli.kept_calls import call_store
    from patter_cli.web.access import Access
    from patter_cli.web.site import Site

    site = Site(call_store(None), Access())
    return json.dumps(openapi(site.endpoints), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(document(), end="")
