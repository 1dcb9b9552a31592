"""What promtool says of a page of metrics, as far as its rules can be told in a few lines.

Source: prometheus/client_golang, prometheus/testutil/promlint, and the text format's own rules.
"""

from __future__ import annotations

import re
from itertools import pairwise

NAME = re.compile(r"[a-z_][a-z0-9_]*")
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)')
UNITS = ("milliseconds", "ms", "minutes", "hours", "kilobytes", "kb", "megabytes", "mb", "cents", "percent")
KINDS = ("counter", "gauge", "histogram", "summary")


def problems(text: str) -> list[str]:
    """Everything that is wrong with it."""
    found: list[str] = []
    if text and not text.endswith("\n"):
        found.append("the last line has no end")
    name = kind = said = ""
    seen: set[str] = set()
    series: set[str] = set()
    buckets: dict[str, list[tuple[float, float]]] = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, *words = line.split(" ", 3)
            said, kind = "".join(words), ""
            found += [f"{name}: comes twice"] * (name in seen) + [f"{name}: no help"] * (not said.strip())
            seen.add(name)
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            found += [f"{typed}: its type is not below its help"] * (typed != name)
            found += _names(name, kind)
        else:
            sample = SAMPLE.fullmatch(line)
            if sample is None:
                found.append(f"cannot be read: {line}")
                continue
            found += _sample(name, kind, sample, series, buckets)
    for key, values in buckets.items():
        rises = all(before[0] < after[0] and before[1] <= after[1] for before, after in pairwise(values))
        found += [f"{key}: its buckets do not rise to +Inf"] * (not rises or values[-1][0] != float("inf"))
    return found


def _names(name: str, kind: str) -> list[str]:
    words = name.split("_")
    found = [f"{name}: {kind} is no type"] * (kind not in KINDS)
    found += [f"{name}: a counter ends in _total"] * (kind == "counter" and not name.endswith("_total"))
    found += [f"{name}: only a counter ends in _total"] * (kind != "counter" and name.endswith("_total"))
    found += [f"{name}: ends in what is reserved"] * name.endswith(("_count", "_sum", "_bucket", "_info_total"))
    found += [f"{name}: no name"] * (NAME.fullmatch(name) is None)
    found += [f"{name}: {each} is no base unit" for each in UNITS if each in words]
    found += [f"{name}: has its type in its name"] * any(each in words for each in KINDS)
    return found


def _sample(
    name: str, kind: str, sample: re.Match[str], series: set[str], buckets: dict[str, list[tuple[float, float]]]
) -> list[str]:
    of, labels, value = sample[1], sample[2] or "", sample[3]
    found = [f"{of}{labels}: comes twice"] * (f"{of}{labels}" in series)
    series.add(f"{of}{labels}")
    ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
    found += [f"{of}: is none of {name}"] * (of not in [f"{name}{end}" for end in ends])
    try:
        number = float(value.replace("Inf", "inf"))
    except ValueError:
        return [*found, f"{of}: {value} is no number"]
    found += [f"{of}{labels}: below zero"] * (kind in ("counter", "histogram") and number < 0)
    if of == f"{name}_bucket" and kind == "histogram":
        le = re.search(r'le="([^"]*)"', labels)
        found += [f"{of}: no le"] * (le is None)
        if le is not None:
            bound = float(le[1].replace("Inf", "inf"))
            buckets.setdefault(re.sub(r',?le="[^"]*"', "", of + labels), []).append((bound, number))
    elif "le=" in labels or "quantile=" in labels:
        found.append(f"{of}: a label that is reserved")
    return found
