"""How to install what a feature needs, as a command that works where this copy of the product came from."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

_CLONE = Path(__file__).parents[1]


def install_command(extra: str, *, clone: Path = _CLONE) -> str:
    """What to type to get an extra of pyproject.toml, for this Python.

    In a clone it is installed from there, otherwise by the names of its packages: the product itself need not be on
    an index. clone: where pyproject.toml would be.
    """
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    if (clone / "pyproject.toml").is_file():
        return f"{pip} -e {shlex.quote(f'{clone}[{extra}]')}"
    packages = " ".join(shlex.quote(each) for each in _packages(extra))
    return f"{pip} {packages or shlex.quote(f'patter-cli[{extra}]')}"


def _packages(extra: str) -> list[str]:
    """The requirements that an extra stands for; [] where the package's own description is not there."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("patter-cli") or []
    except PackageNotFoundError:
        return []
    wanted = re.compile(rf"""\bextra\s*==\s*['"]{re.escape(extra)}['"]""")
    return [each.partition(";")[0].strip() for each in lines if wanted.search(each)]
