"""The files in completions/, for packagers and for shells: `python -m patter_cli.completion_files completions`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

FILES: Final = {"bash": "patter.bash", "zsh": "_patter", "fish": "patter.fish"}
_REGISTERS: Final = "compdef _patter_completion patter"
_COMPLETES_OR_REGISTERS: Final = f'[ "$funcstack[1]" = _patter ] && _patter_completion || {_REGISTERS}'
"""zsh runs a file of its fpath as the function that completes, at the first Tab; one that is sourced only registers."""


def completion_file(shell: str) -> str:
    """What the shell reads: Typer's script, which zsh takes from its fpath only if it begins with #compdef."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="patter", complete_var="_PATTER_COMPLETE", shell=shell).strip() + "\n"
    return script.replace(_REGISTERS, _COMPLETES_OR_REGISTERS)


if __name__ == "__main__":
    for each, name in FILES.items():
        Path(sys.argv[1], name).write_text(completion_file(each), encoding="utf-8")
