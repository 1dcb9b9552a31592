"""Where a vendor is reached: what its recipe was given, or the variable beside its key's, or its own address."""

from __future__ import annotations

import re

from patter_cli import keys
from patter_cli.providers.http import checked_url

_VERSIONED = re.compile(r"/v[0-9]+[a-z0-9]*$")


def vendor_address(base_url: str | None, *, key_variable: str, usual: str, version: str = "") -> str:
    """The base address as http(s), also where it was given as ws(s).

    base_url: the recipe's; without one, the variable beside the key's, as DEEPGRAM_BASE_URL. version: its end where
    that has none, as "v1", which people leave out. Raises BadSetting, which names where the address came from.
    """
    beside = key_variable.replace("_API_KEY", "_BASE_URL")
    found = "" if base_url else keys.look_up(beside)
    url = base_url or found or usual
    for socket, web in (("ws://", "http://"), ("wss://", "https://")):
        if url.lower().startswith(socket):
            url = web + url[len(socket) :]
    url = checked_url(url, beside if found else "base_url")
    return url if not version or _VERSIONED.search(url) else f"{url}/{version}"
