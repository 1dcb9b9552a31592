"""The vendors on this machine, and a command that takes them for the real ones.

python -m patter_cli.testing.vendors deepgram elevenlabs -- patter simulate receptionist --say "When do you open?"

Their ears and voice are the built-in ones; their minds repeat what they were told. Without a command they serve until
Ctrl-C; what tells a command where they are, and that their keys are good, is printed for your shell.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli import registry
from patter_cli.errors import reason
from patter_cli.testing.vendors.built_in import (
    BuiltInEars,
    BuiltInVoice,
    heard_by_built_in_ears,
    repeats,
    repeats_the_caller,
)
from patter_cli.testing.vendors.catalogue import ENGINES, HEARING, SPEAKING, THINKING, Together
from patter_cli.testing.vendors.server import serve

KEY = "sk-lab-0123456789"
NO_PROGRAM = 127
"""As a shell ends with that finds no program of the name."""
NAMES = sorted({**HEARING, **SPEAKING, **THINKING, **ENGINES})


async def main(arguments: list[str]) -> int:
    """What the command ends with; 0 without one."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    names, command = arguments[:at], arguments[at + 1 :]
    if not names or not set(names) <= set(NAMES):
        print(f"which of {', '.join(NAMES)}?", file=sys.stderr)
        return 2
    if command and shutil.which(command[0]) is None:
        print(f"error: there is no program {command[0]!r} on PATH", file=sys.stderr)
        return NO_PROGRAM
    await asyncio.gather(*(registry.keyless(kind).load()().warm() for kind in ("stt", "tts")))
    variables: dict[str, str] = {}
    scripts: dict[str, dict[str, Any]] = {}
    for name in names:
        made = _made(name)
        address = made.key_variable.replace("_API_KEY", "_BASE_URL")
        scripts.setdefault(address, {})[name] = made.script
        variables |= {made.key_variable: KEY, **made.variables}
    for address, parts in scripts.items():
        script = Together(parts) if len(parts) > 1 else next(iter(parts.values()))
        variables[address] = await asyncio.to_thread(_serve_elsewhere, script)
    if not command:
        print("\n".join(f"export {name}={value}" for name, value in variables.items()), flush=True)
        await asyncio.Event().wait()
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **variables})
    except OSError as error:
        print(f"error: {command[0]!r} cannot be started: {reason(error)}", file=sys.stderr)
        return NO_PROGRAM
    return await process.wait()


def _serve_elsewhere(vendor: Any) -> str:
    """In a thread of its own until the end: a voice blocks while it speaks, and ears must go on meanwhile. Returns its
    address."""
    listening = threading.Event()
    addresses: list[str] = []

    async def hold() -> None:
        async with serve(vendor, path="") as lab:
            addresses.append(lab.url)
            listening.set()
            await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(hold()), daemon=True).start()
    listening.wait()
    return addresses[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A vendor that can be served. variables: what is set beside its key and address."""

    script: Any
    key_variable: str
    variables: Mapping[str, str] = field(default_factory=dict)


def _made(name: str) -> Made:
    if name in ENGINES:
        row = ENGINES[name]
        engine = row.make(KEY, repeats, heard_by_built_in_ears, _say)
        return Made(script=engine, key_variable=row.key_variable, variables=row.variables)
    if name in THINKING:
        thinks = THINKING[name](repeats_the_caller, key=KEY)
        variable = "GEMINI_API_KEY" if name == "google" else f"{thinks.name.upper()}_API_KEY"
        return Made(script=thinks, key_variable=variable)
    speech = (
        HEARING[name](key=KEY, ears=BuiltInEars) if name in HEARING else SPEAKING[name](key=KEY, voice=BuiltInVoice())
    )
    return Made(script=speech, key_variable=f"{speech.name.upper()}_API_KEY")


def _say(text: str) -> Any:
    return BuiltInVoice().say(text, 8000)[0]


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except KeyboardInterrupt:
        pass
