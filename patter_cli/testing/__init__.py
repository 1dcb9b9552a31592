"""A whole call in virtual time: the turn machine between a scripted caller and fake ears, brain, voice and line.

Theory of operation. Everything that will happen is a heap of (time, act). The earliest act, or the machine's own
deadline if that comes first, is the next step; nothing waits and nothing is random, so an hour takes a second and
the same script always gives the same call. The line has a clock of its own: it knows which part of which clause was
audible when, so `heard` is what really reached the ear, and not what the machine believes.

    call = VirtualCall(CallPlan(agent="a", system_prompt="", first_message="Hello."), ["We open at nine."])
    call.says("When do you open?", at=2000)
    call.run_until(10_000)
    assert call.transcript[-1] == ("assistant", "We open at nine.")

With a `far_end` the call is one of ours, and that says who picks up, and when: `VirtualCall(plan, far_end=FarEnd())`.
With `engine=SpeechPeer(...)` and a plan that has an engine, a scripted speech-to-speech vendor answers instead, through
the shell that real ones have.
"""

from patter_cli.testing.brain import Answer, VirtualTool
from patter_cli.testing.call import WALL_TIME, VirtualCall
from patter_cli.testing.far_end import FarEnd
from patter_cli.testing.line import Sound
from patter_cli.testing.speech_peer import PeerFault, Said, SpeechPeer
from patter_cli.testing.world import Fault, Latency

__all__ = [
    "WALL_TIME",
    "Answer",
    "FarEnd",
    "Fault",
    "Latency",
    "PeerFault",
    "Said",
    "Sound",
    "SpeechPeer",
    "VirtualCall",
    "VirtualTool",
]
