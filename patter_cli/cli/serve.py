"""patter serve: answer calls with agents until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import AgentName

if TYPE_CHECKING:
    from patter_cli.engine.ready import ReadyAgent

EXAMPLES = "Examples: patter serve receptionist · patter serve agents/receptionist.py --port 9000"


def serve(
    agent: AgentName = None,
    host: Annotated[str, typer.Option(help="Address to listen on.", envvar="PATTER_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any that is free.", envvar="PATTER_PORT")] = 8000,
    max_calls: Annotated[int, typer.Option(help="Calls at the same time.", min=1)] = 100,
    drain_timeout: Annotated[float, typer.Option(help="Seconds that live calls get to end on Ctrl-C.", min=0)] = 30.0,
) -> None:
    """Answer calls with the agent until Ctrl-C; without AGENT, with every agent in agents/.

    Without a carrier the server is on this machine only, and prints the ws:// address that any Media Streams client
    here may call.
    """
    from patter_cli.errors import BadSetting
    from patter_cli.server.run import run

    if not 0 <= port <= 65535:
        raise BadSetting(f"port {port} does not exist", hint="choose one from 1 to 65535, or 0 for any that is free")
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise BadSetting(
            f"without a carrier nothing authenticates callers, so {host} is refused",
            hint="leave --host out: the server is then on this machine only",
        )
    run(_serve(_agents(agent), host, port, max_calls, drain_timeout))


def _agents(spec: str | None) -> dict[str, ReadyAgent]:
    from patter_cli import wiring
    from patter_cli.cli.discovery import find_agents, load_agent
    from patter_cli.engine.hooks import Hooks
    from patter_cli.errors import InputError

    specs = [spec] if spec else [each.name for each in find_agents(Path.cwd()) if each.error is None]
    if not specs:
        raise InputError("there is no agent in agents/", hint="patter serve path/to/agent.py")
    ready = {}
    for each in specs:
        loaded = load_agent(each)
        ready[loaded.name] = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks))
    return ready


async def _serve(agents: dict[str, ReadyAgent], host: str, port: int, max_calls: int, drain_timeout: float) -> None:
    from patter_cli.cli.lines import TranscriptLines
    from patter_cli.observe.store import CallStore, default_folder
    from patter_cli.phone import EmbeddedServer
    from patter_cli.server.run import run_until_signal

    embedded = EmbeddedServer(
        agents,
        host=host,
        port=port,
        store=CallStore(default_folder()),
        observers=(TranscriptLines(named=True),),
        max_calls=max_calls,
        drain_timeout_s=drain_timeout,
    )
    await embedded.warm()

    def ready() -> None:
        embedded.prepare_lines()
        for name, agent in agents.items():
            print(f"{name} answers at {embedded.media_url(name)}", file=sys.stderr)
            for note in agent.notes.values():
                print(f"  {note}", file=sys.stderr)
        print(f"Call it: patter simulate --url {embedded.media_url(next(iter(agents)))}", file=sys.stderr)
        print("Ctrl-C lets live calls end, twice cuts them.", file=sys.stderr, flush=True)

    try:
        await run_until_signal(embedded.server, on_ready=ready)
    finally:
        embedded.close()
