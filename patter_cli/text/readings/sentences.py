"""Where a full stop ends a sentence, and where it only says that a word is short for another."""

from __future__ import annotations

STARTER = (
    "(?:We|The|It|Our|You|Your|Please|I|They|He|She|This|That|There|Is|Are|Do|And|But|Call|Just|If|What|When|How|Would)"
)
"""What begins a sentence far more often than it is somebody's name."""

STOP = rf"(?:(?P<stop>\.)(?=[\s\"')]*$|\s+{STARTER}\b)|\.(?!\w))?"
"""A short form's full stop, kept as `stop` where the sentence seems to end with it."""
