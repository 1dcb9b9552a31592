"""Two transcripts of one voice that overlap, made one: what was understood before a break, and what was heard again."""

from __future__ import annotations

CUT_WORDS = 2
"""So many words at the joint may have been cut in half or understood otherwise."""


def joined_at_overlap(before: str, again: str) -> str:
    """The longest end of `before` that `again` begins with is said once: "I want to book" and "to book a table"."""
    first, second = before.split(), again.split()
    ours, theirs = [_bare(each) for each in first], [_bare(each) for each in second]
    for length in range(min(len(ours), len(theirs)), 0, -1):
        for cut in range(CUT_WORDS + 1):
            for lost in range(CUT_WORDS + 1):
                end = len(ours) - lost
                shared = theirs[cut : cut + length]
                if len(shared) == length and length <= end and ours[end - length : end] == shared:
                    return " ".join([*first[: end - length], *second[cut:]])
    return f"{before.strip()} {again.strip()}".strip()


def _bare(word: str) -> str:
    return "".join(each for each in word.lower() if each.isalnum()) or word
