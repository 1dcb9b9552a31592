"""The vendors of speech on this machine, and a command that takes them for the real ones.

python -m patter_cli.testing.vendors deepgram elevenlabs -- patter simulate receptionist --say "When do you open?"

Their ears and voice are the built-in ones. Without a command they serve until Ctrl-C; what tells a command where they
are, and that their keys are good, is printed for your shell.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import AsyncExitStack

from patter_cli import registry
from patter_cli.testing.vendors.built_in import BuiltInEars, BuiltInVoice
from patter_cli.testing.vendors.catalogue import HEARING, SPEAKING
from patter_cli.testing.vendors.speech import SpeechVendor

KEY = "sk-lab-0123456789"


async def main(arguments: list[str]) -> int:
    """What the command ends with; 0 without one."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    names, command = arguments[:at], arguments[at + 1 :]
    unknown = [each for each in names if each not in {**HEARING, **SPEAKING}]
    if unknown or not names:
        print(f"which of {', '.join(sorted({**HEARING, **SPEAKING}))}?", file=sys.stderr)
        return 2
    variables: dict[str, str] = {}
    await asyncio.gather(*(registry.keyless(kind).load()().warm() for kind in ("stt", "tts")))
    async with AsyncExitStack() as stack:
        for name in names:
            vendor = _made(name)
            if name in SPEAKING:
                await asyncio.to_thread(_serve_elsewhere, vendor)
            else:
                await stack.enter_async_context(vendor)
            variables[f"{vendor.name.upper()}_API_KEY"] = KEY
            variables[f"{vendor.name.upper()}_BASE_URL"] = vendor.url
        if not command:
            print("\n".join(f"export {name}={value}" for name, value in variables.items()), flush=True)
            await asyncio.Event().wait()
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **variables})
        return await process.wait()


def _serve_elsewhere(vendor: SpeechVendor) -> None:
    """In a thread of its own until the end: a voice blocks while it speaks, and ears must go on meanwhile."""
    listening = threading.Event()

    async def serve() -> None:
        async with vendor:
            listening.set()
            await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    listening.wait()


def _made(name: str) -> SpeechVendor:
    ears, voice = HEARING.get(name), SPEAKING.get(name)
    if ears is not None:
        return ears(key=KEY, ears=BuiltInEars)
    assert voice is not None
    return voice(key=KEY, voice=BuiltInVoice())


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except KeyboardInterrupt:
        pass
