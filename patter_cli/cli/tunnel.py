"""patter tunnel: a public address for a local port, proven and kept until Ctrl-C."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from patter_cli.settings import DEFAULTS, Settings

EXAMPLES = (
    "Examples: patter tunnel --attach +15550100001 · patter tunnel --port 9000 --provider ngrok · "
    "patter tunnel --provider fixed --webhook-url phone.example.com"
)


def tunnel(
    settings: Settings,
    port: Annotated[int, typer.Option(help="The local port that it leads to.", min=1, max=65535)] = DEFAULTS.port,
    provider: Annotated[str, typer.Option(help="cloudflared, ngrok or fixed: an address of your own.")] = "cloudflared",
    webhook_url: Annotated[
        str | None, typer.Option(metavar="HOST", help="With --provider fixed: the address.", show_default=False)
    ] = None,
    attach: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Point this number here; it is given back on exit.", show_default=False),
    ] = None,
    carrier: Annotated[str, typer.Option(help="Whose number that is: twilio or telnyx.")] = "",
) -> None:
    """Open a public HTTPS and WSS address for a server on this machine, and keep it until Ctrl-C.

    The address is printed once a round trip through it came back, and again where it had to be replaced; a number's
    webhook is /webhooks/twilio/voice or /webhooks/telnyx/voice under it. A server that runs is told it; one may be
    started later. Exit code 6: nothing came through.
    """
    from patter_cli import wiring
    from patter_cli.server.led_port import LedPort
    from patter_cli.server.reachable import ReachableServer
    from patter_cli.server.registration import default_run_folder
    from patter_cli.server.run import run, run_until_signal
    from patter_cli.server.secret import kept_path, signing_secret

    if carrier and attach is None:
        from patter_cli.errors import InputError

        raise InputError("--carrier is for the number of --attach", hint="leave --carrier out")
    opened = wiring.fixed_address(settings.public_host) if provider == "fixed" else wiring.tunnel(provider)
    numbers = []
    if attach is not None:
        numbers.append(wiring.number_setup(wiring.carriers(carrier), attach))

    path = ""
    if opened.renewable:
        path = kept_path(signing_secret(settings.secret_key, settings.log_dir or wiring.default_folder()))

    async def keep() -> None:
        reached = ReachableServer(LedPort(port, default_run_folder()), opened, numbers, on_host=told, path=path)

        def ready() -> None:
            print(f"carried by {reached.about}", file=sys.stderr)
            for each in numbers:
                print(f"{each.number} is pointed here, and gets back on exit what it had", file=sys.stderr)
            print("Ctrl-C closes it.", file=sys.stderr, flush=True)

        print(f"{opened.name} is asked for an address of port {port} …", file=sys.stderr, flush=True)
        await run_until_signal(reached, on_ready=ready)

    def told(host: str) -> None:
        print(f"https://{host}{path}", flush=True)

    run(keep())
