"""The formats of sound that vendors are asked for: what telephone lines speak, and plain samples for all others."""

from __future__ import annotations

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding

ALAW_8K = AudioFormat(encoding=Encoding.ALAW, rate_hz=8000)
LINEAR_8K = AudioFormat(encoding=Encoding.L16_LE, rate_hz=8000)
LINEAR_16K = AudioFormat(encoding=Encoding.L16_LE, rate_hz=16000)
LINEAR_24K = AudioFormat(encoding=Encoding.L16_LE, rate_hz=24000)

LINE_FORMATS = frozenset((ULAW_8K, ALAW_8K, LINEAR_8K, LINEAR_16K))
"""What vendors that know telephones take and make as it is."""
