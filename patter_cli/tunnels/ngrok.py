"""ngrok, with the account of whoever has set it up on this machine.

Source: ngrok agent v3, `ngrok http --log stdout --log-format json`: one JSON object a line, "started tunnel" with url
once the edge knows us; errors have lvl eror or crit, and err.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from patter_cli.errors import ConfigError, TunnelDown
from patter_cli.tunnels.child import CarriedTunnel, Child

OPEN_S: Final = 30.0
_TOKEN: Final = re.compile(r"(?i)(authtoken:?\s*)\S+")


def read_line(line: str) -> str:
    """The host name that a line tells, or "". Total."""
    told = _object(line)
    if told.get("msg") != "started tunnel" or not isinstance(told.get("url"), str):
        return ""
    try:
        parts = urlsplit(told["url"])
        return (parts.hostname or "") if parts.scheme == "https" and parts.port is None else ""
    except ValueError:
        return ""


def shown(line: str) -> str:
    """What is told to people of a line: trouble, and whatever is not JSON. Total."""
    told = _object(line)
    if not told:
        return _TOKEN.sub(r"\1****", line.strip())
    if told.get("lvl") not in ("warn", "eror", "crit"):
        return ""
    return _TOKEN.sub(r"\1****", " ".join(str(told.get("err") or told.get("msg") or "").split()))


@dataclass(frozen=True, slots=True, kw_only=True)
class NgrokTunnel:
    """An HTTPS endpoint of ngrok's. open_s: what it gets to tell its address."""

    open_s: float = OPEN_S

    @property
    def name(self) -> str:
        return "ngrok"

    @property
    def renewable(self) -> bool:
        return True

    async def open(self, port: int) -> CarriedTunnel:
        """Run it. Raises TunnelDown, ConfigError."""
        program = shutil.which("ngrok")
        if program is None:
            raise ConfigError(
                "there is no ngrok on this machine",
                hint="get it at https://ngrok.com/download, or take another: --provider cloudflared",
            )
        command = [program, "http", f"127.0.0.1:{port}", "--log", "stdout", "--log-format", "json"]
        child = Child(command, read=read_line, shown=shown)
        try:
            host = await child.fact(self.open_s)
        except TimeoutError as error:
            await child.aclose()
            raise TunnelDown(
                f"ngrok told no address within {self.open_s:g} s: it {child.last_words()}", hint=f"{_BY_HAND} {port}"
            ) from error
        except TunnelDown as error:
            await child.aclose()
            account = "ERR_NGROK_4018" in str(error) or "authtoken" in str(error)
            hint = "ngrok config add-authtoken TOKEN" if account else f"{_BY_HAND} {port}"
            raise TunnelDown(str(error), hint=hint) from error
        except BaseException:
            await child.aclose()
            raise
        child.hush()
        return CarriedTunnel("ngrok", host, program, child)


_BY_HAND: Final = "try by hand: ngrok http"


def _object(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
