"""What a model thinks aloud between <think> and </think>, taken out of what it says. Pure."""

from __future__ import annotations

import re


class ThinkingFilter:
    """Takes <think>...</think> out of a reply, also when the tags are cut, and the blank lines that follow it.

    What is never closed is thinking to the end.
    """

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._after = False

    def push(self, text: str) -> str:
        """What of this and of what was held is sure to be meant for the caller."""
        self._held += text
        said: list[str] = []
        while True:
            tag = _THINK_END if self._inside else _THINK
            found = tag.search(self._held)
            if found is None:
                break
            said.append(self._outside(self._held[: found.start()]))
            self._held = self._held[found.end() :]
            self._after = self._inside
            self._inside = not self._inside
        keep = _tag_begun(self._held)
        said.append(self._outside(self._held[: len(self._held) - keep]))
        self._held = self._held[len(self._held) - keep :]
        return "".join(said)

    def end(self) -> str:
        """What was held because it might have become a tag."""
        held, self._held = self._held, ""
        return self._outside(held)

    def _outside(self, text: str) -> str:
        if self._inside:
            return ""
        if self._after:
            text = text.lstrip()
            self._after = not text
        return text


_THINK = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THINK_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_TAG_BEGUN = re.compile(r"</?(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?\Z", re.IGNORECASE)


def _tag_begun(text: str) -> int:
    """How many of the last characters may be the beginning of a tag."""
    begun = _TAG_BEGUN.search(text, max(0, len(text) - len("</thinking")))
    return len(begun.group()) if begun else 0
