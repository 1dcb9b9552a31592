"""patter mcp: agents and calls as tools of an MCP client: Claude, Cursor, VS Code, or a program."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from patter_cli.settings import DEFAULTS, Settings

EXAMPLES = "Examples: patter mcp --print-config · patter mcp --folder ~/my-agents · patter mcp --http --port 8765"
HTTP_PORT: Final = 8765
"""Beside 8000, where patter serve is."""


def _go_to(folder: Path | None) -> Path | None:
    """Before settings are read, for .env and patter.toml lie there."""
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            from patter_cli.errors import InputError, reason

            raise InputError(
                f"--folder cannot be {str(folder)!r}: {reason(error)}", hint="name the one where agents/ is: --folder ."
            ) from error
    return folder


def mcp(
    settings: Settings,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            callback=_go_to,
            is_eager=True,
            metavar="FOLDER",
            help="The project: where agents/, .env and patter.toml are.",
            show_default="where you are",
        ),
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Serve over HTTP, for programs on this machine.")] = False,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="With --http: on this port; 0: any that is free.", show_default="8765"),
    ] = DEFAULTS.port,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print what goes into an MCP client's settings, and end.")
    ] = False,
) -> None:
    """Let an MCP client list and try agents, read and follow calls, ring somebody and step into a call.

    Over standard input and output, as a client starts it, or with --http at http://127.0.0.1:8765/mcp for whoever sends
    the token (PATTER_DASHBOARD_TOKEN, or the one that is printed) as Authorization: Bearer. Calls are placed by the
    server that runs: patter serve. What rings or speaks asks the user first.
    """
    typed = settings.origin("port").source == "flag"
    if typed and not http:
        from patter_cli.errors import InputError

        raise InputError("--port is for --http; without it a client starts this command itself", hint="--http")
    if print_config:
        print(json.dumps(client_config(port if typed else HTTP_PORT) if http else client_config(None), indent=2))
        return
    try:
        from patter_cli.cli.mcp_server import mcp_server
    except ImportError as error:
        from patter_cli.errors import MissingExtra
        from patter_cli.extras import install_command

        raise MissingExtra("patter mcp needs the MCP SDK", hint=install_command("mcp")) from error
    from patter_cli.kept_calls import kept_calls

    server = mcp_server(settings, kept_calls(settings))
    if http:
        from patter_cli.server.run import run

        run(_serve(server, settings, port if typed else HTTP_PORT))
    else:
        server.run("stdio")


def client_config(port: int | None) -> dict[str, Any]:
    """The block of an MCP client's settings. port: of --http; None: the client starts the server itself."""
    if port is not None:
        headers = {"Authorization": "Bearer ${PATTER_DASHBOARD_TOKEN}"}
        entry: dict[str, Any] = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp", "headers": headers}
    else:
        beside = Path(sys.executable).with_name("patter-mcp")
        found = str(beside) if beside.exists() else shutil.which("patter-mcp")
        command = [found] if found else [sys.executable, "-m", "patter_cli", "mcp"]
        entry = {"command": command[0], "args": [*command[1:], "--folder", str(Path.cwd())]}
    return {"mcpServers": {"patter": entry}}


async def _serve(server: Any, settings: Settings, port: int) -> None:
    import secrets

    from patter_cli import wiring
    from patter_cli.cli.mcp_http import McpOverHttp
    from patter_cli.server.run import run_until_signal
    from patter_cli.web.access import TOKEN_BYTES, Access

    wiring.check_token(settings.dashboard_token)
    token = settings.dashboard_token or secrets.token_urlsafe(TOKEN_BYTES)
    over = McpOverHttp(server, Access(token), port=port)

    def ready() -> None:
        print(over.url, flush=True)
        if not settings.dashboard_token:
            print(f"Authorization: Bearer {token}", flush=True)
        print("Ctrl-C ends it.", file=sys.stderr, flush=True)

    await run_until_signal(over, on_ready=ready)
