"""What the voice does, 100 times a second: ComParE 2016 low-level descriptors by openSMILE."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auxformer.features.base import SAMPLING_RATE, SoundExtractor, at_least, settings_digest

LLD_CONFIG = Path(__file__).with_name("compare_2016_lld.conf")
LONGEST_WINDOW = 0.060
"""Seconds of the longest analysis window of ComParE 2016; anything shorter gives no descriptors at all."""


@dataclass(frozen=True)
class LowLevelDescriptors(SoundExtractor):
    """ComParE 2016 low-level descriptors and their deltas, 130 numbers every 10 ms (Schuller et al., Interspeech 2016).

    The first 65 are the descriptors (pitch, voicing, jitter, shimmer, loudness, spectrum, MFCC), the last 65 their
    deltas in the same order, both as openSMILE gives them, unscaled; `names` lists them. Extracted in one pass by a
    configuration of our own, with the values that the opensmile package gives when called once for each half.
    """

    name = "lld"
    dims = 130
    frames_per_second = 100.0

    def digest(self) -> str:
        """Changes with our openSMILE configuration."""
        return settings_digest(self, LLD_CONFIG.read_text())

    @property
    def names(self) -> list[str]:
        """Names of the 130 features, in order ("F0final_sma", ..., "F0final_sma_de", ...)."""
        return list(_opensmile().feature_names)

    def of_waveform(self, waveform: np.ndarray) -> np.ndarray:
        """Descriptors `[T, 130]` float32 of a waveform `[samples]` in -1..1 at 16 kHz."""
        waveform = at_least(waveform, LONGEST_WINDOW)
        loudest = 32767 / 32768  # opensmile turns samples into 16-bit integers, where 1.0 would wrap around to -1.0
        return _engine().run((np.minimum(waveform, loudest) * 32768).astype(np.int16))


@functools.cache
def _opensmile():
    import opensmile  # slow to import, so only where it is used

    shipped = Path(opensmile.__file__).parent / "core" / "config" / "compare" / "ComParE_2016_core.lld.conf.inc"
    return opensmile.Smile(str(LLD_CONFIG), "lld", options={"descriptors": str(shipped)})


class _Engine:
    """One openSMILE that is reset between recordings: the package makes a new one for each, which costs a tenth of the time."""

    def __init__(self):
        from opensmile.core.config import config

        self.names, self.smile = config, None

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Descriptors `[T, 130]` float32 of int16 samples."""
        frames, smile = [], self._ready()
        try:
            smile.external_sink_set_callback(
                self.names.EXTERNAL_OUTPUT_COMPONENT, lambda frame: frames.append(frame.copy())
            )
            smile.external_audio_source_write_data(self.names.EXTERNAL_SOURCE_COMPONENT, samples.tobytes())
            smile.external_audio_source_set_eoi(self.names.EXTERNAL_SOURCE_COMPONENT)
            smile.run()
            return np.vstack(frames).astype(np.float32)  # [T, 130]
        except Exception:
            self.smile = None  # whatever state it is in, the next recording starts with a new one
            raise

    def _ready(self):
        if self.smile is not None:
            self.smile.reset()
            return self.smile
        package = _opensmile()
        options = package._options()  # as `Smile.process_signal` sets them
        options |= {"source": os.path.join(package.default_config_root, self.names.EXTERNAL_INPUT_CONFIG)}
        self.smile = package._smile(options | {"sampleRate": SAMPLING_RATE, "nBits": 16})
        return self.smile


@functools.cache
def _engine() -> _Engine:
    return _Engine()
