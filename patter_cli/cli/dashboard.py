"""patter dashboard: the link to a running server's dashboard, or a dashboard over the calls that are kept."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from patter_cli.settings import DEFAULTS, Settings

EXAMPLES = "Examples: patter dashboard · patter dashboard --port 8080 · PATTER_LOG_DIR=backup patter dashboard --port 0"


def dashboard(
    settings: Settings,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Show kept calls on this port.", show_default="any that is free"),
    ] = DEFAULTS.port,
) -> None:
    """Print a link that signs one browser in to the dashboard, once.

    A server of yours that runs has one already, and the link leads there. Without one, or with --port, the calls that
    are kept are shown until Ctrl-C, those that other processes hold as they go on.
    """
    from patter_cli.server.registration import default_run_folder, running

    typed = settings.origin("port").source == "flag"
    found = running(default_run_folder()) if not typed and sys.platform != "win32" else []
    if found:
        import asyncio

        from patter_cli.server.control import ask
        from patter_cli.server.control_messages import AskLink

        print(asyncio.run(ask(found[-1], AskLink()))["link"])
        return
    from patter_cli.server.run import run

    run(_show(settings, port if typed else 0))


async def _show(settings: Settings, port: int) -> None:
    from patter_cli import wiring
    from patter_cli.server.run import run_until_signal
    from patter_cli.web.alone import SiteAlone

    store = wiring.kept_calls(settings)
    site = wiring.site(settings, store)
    server = SiteAlone(site, store, host=DEFAULTS.host, port=port)

    def ready() -> None:
        print(site.link(DEFAULTS.host), flush=True)
        print("Ctrl-C ends it.", file=sys.stderr, flush=True)

    await run_until_signal(server, on_ready=ready)
