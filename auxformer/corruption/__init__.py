"""Media that went wrong, for the robustness protocol: noise, gaps, blur, darkness, delay, and causes that strike both streams.

What happens to a clip depends on its name, the condition and a seed, never on the order of work or on the machine.
"""

from auxformer.corruption.conditions import CONDITIONS, parse_condition, streams_of
from auxformer.corruption.derive import NOTE, derive_corpus, folder_beside
from auxformer.corruption.pictures import blur, darken, drop_frames, occlude
from auxformer.corruption.sounds import add_noise, babble, delay, gaps, white_noise
from auxformer.corruption.storm import CAUSES, SEVERITIES, Storm

__all__ = [
    "CAUSES", "CONDITIONS", "NOTE", "SEVERITIES", "Storm", "add_noise", "babble", "blur", "darken", "delay", "derive_corpus",
    "drop_frames", "folder_beside", "gaps", "occlude", "parse_condition", "streams_of", "white_noise",
]  # fmt: skip
