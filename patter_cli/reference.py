"""The pages of docs/ that are written by the code they describe: `python -m patter_cli.reference docs`.

commands.md, from the commands themselves; configuration.md, from Settings and the registry; llms.txt, from the pages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from patter_cli import env_example, registry, settings

_GENERAL = "General"
"""The panel of the flags that every command takes."""
_BY_HAND = "<!-- written by python -m patter_cli.reference docs -->"

_COMMANDS_HEAD = f"""\
# Commands

{_BY_HAND}

Standard output is data, standard error is narration. Every command takes `--env-file FILE` (`.env`, if there is one),
`--config FILE` (`patter.toml`, if there is one), `-v`/`--verbose`, `--debug` (tracebacks), `--no-color` (or
`NO_COLOR`) and `-h`/`--help`. Whatever a flag sets can be written into `patter.toml` in the section of its command,
with `_` or `-`: [configuration.md](configuration.md). With `--json`, errors are objects too: [doctor.md](doctor.md).

AGENT is a name in `agents/` (`receptionist`), a path (`agents/receptionist.py`) or `path.py:name`. CALL is a call's id,
its beginning or end, or `last`.

Exit codes: 0 done; 1 done, but an expectation or a threshold failed; 2 wrong usage; 3 configuration or key; 4 carrier;
5 provider; 6 tunnel or network; 70 a bug of ours; 130 interrupted.

Completion: `patter --install-completion`, or the files in `completions/`.
"""

_CONFIGURATION_HEAD = f"""\
# Configuration

{_BY_HAND}

The nearest word holds: a flag, then the environment, then `.env`, then `patter.toml`, then the default. `patter doctor`
shows every value with where it comes from. A misspelt section or key is an error that names its line and the nearest
right one. `.env` is read as a file and never put into the process: it cannot switch off a check, redirect what is
talked to, or hand your callers' words to somebody else, for it may have come with a project that you cloned.

```toml
# patter.toml
keep_days = 30                          # for all commands

[serve]                                 # a section for each command
port = 8080
blocked = ["+4479*", "anonymous"]

[numbers]                               # which agent answers which of your numbers
"+14155550123" = "receptionist"
```

Any flag of a command can be written into its section; these have a name in the environment, or belong to no flag:
"""

_KEYS_HEAD = """\

## Keys

Looked for in the environment, then in `.env`. `agents show AGENT` says which one an agent uses.
"""


def commands_page() -> str:
    """docs/commands.md."""
    import typer

    from patter_cli.cli.app import app

    return "\n".join([_COMMANDS_HEAD, *_command(typer.main.get_command(app), ("patter",))]).rstrip() + "\n"


def _command(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    if len(path) > 1:
        yield f"{'#' * len(path)} {' '.join(path)}\n"
        yield f"{_plain(command.help)}\n"
        if not subcommands:
            yield from _usage(command, path)
    for name, each in subcommands.items():
        yield from _command(each, (*path, name))


def _usage(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    words = [_name(each) for each in command.params if each.param_type_name == "argument"]
    yield f"```\n{' '.join((*path, *words, '[OPTIONS]'))}\n```\n"
    import typer

    context = typer.Context(command)
    rows = [_row(each, context) for each in command.params if getattr(each, "rich_help_panel", None) != _GENERAL]
    rows = [each for each in rows if each]
    if rows:
        yield "\n".join(("| | |", "|---|---|", *rows)) + "\n"
    if command.epilog:
        yield "```\n" + "\n".join(_plain(command.epilog).removeprefix("Examples: ").split(" · ")) + "\n```\n"


def _row(parameter: Any, context: Any) -> str:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return ""
    if parameter.param_type_name == "argument":
        shown = _name(parameter)
    else:
        switch = parameter.is_flag
        value = "" if switch else f" {parameter.metavar or parameter.display_type(context).strip('<>').upper()}"
        shown = ", ".join((*parameter.opts, *parameter.secondary_opts)) + value + (" …" if parameter.multiple else "")
    default = parameter.default
    stands = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    told = f" (**{env_example.as_text(default)}**)" if stands else ""
    return f"| `{shown}` | {_plain(parameter.help or '')}{told} |"


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _plain(words: str | None) -> str:
    return (words or "").replace("\\[", "[").strip()


def configuration_page() -> str:
    """docs/configuration.md."""
    said = env_example.field_docs(settings.Settings)
    rows = ["| patter.toml | environment | | default |", "|---|---|---|---|"]
    for field, row in settings.ROWS.items():
        secret = row.section is None
        key = "" if secret else ".".join((*(row.section or ()), row.flag))
        variables = ", ".join(f"`{each}`" for each in row.variables)
        value = "" if secret else env_example.as_text(getattr(settings.DEFAULTS, field))
        default = f"`{value}`" if value else ""
        rows.append(f"| {f'`{key}`' if key else ''} | {variables} | {said[field]} | {default} |")
    keys: dict[str, list[str]] = {}
    for each in registry.ROWS:
        for variable in each.keys:
            keys.setdefault(variable, []).append(f"{each.name} ({each.kind})")
    table = ["| environment | whose |", "|---|---|", *(f"| `{key}` | {', '.join(of)} |" for key, of in keys.items())]
    return "\n".join((_CONFIGURATION_HEAD, *rows, _KEYS_HEAD, *table)) + "\n"


def index_page(docs: Path) -> str:
    """docs/llms.txt: what there is to read, a line a page, for programs that read on somebody's behalf."""
    lines = [
        "# Patter CLI",
        "",
        "> AI agents that answer and make phone calls: one Python file an agent, tried on this machine with no",
        "> account, put on a number of Twilio, Telnyx or Asterisk.",
        "",
        "- [README](../README.md): what it is, the two commands to begin with, an agent in one file",
    ]
    for page in sorted(docs.glob("*.md")):
        title, summary = _opening(page.read_text(encoding="utf-8"))
        lines.append(f"- [{title}]({page.name}): {summary}")
    return "\n".join(lines) + "\n"


def _opening(text: str) -> tuple[str, str]:
    """A page's title, and its first sentence."""
    title, _, rest = text.partition("\n")
    paragraphs = (" ".join(each.split()) for each in rest.split("\n\n"))
    first = next((each for each in paragraphs if each and each[0] not in "<#|-" and not each.startswith("```")), "")
    sentence = first.partition(". ")[0].rstrip(".:")
    return title.lstrip("# "), sentence


def render(docs: Path) -> dict[str, str]:
    """The pages by file name. docs: where the others are."""
    return {
        "commands.md": commands_page(),
        "configuration.md": configuration_page(),
        "llms.txt": index_page(docs),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for _ in range(2):  # the index has the other two as well
        for name, text in render(folder).items():
            (folder / name).write_text(text, encoding="utf-8")
