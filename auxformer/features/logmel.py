"""What the voice does, 100 times a second: a log-mel spectrogram."""

import functools
from dataclasses import dataclass

import numpy as np

from auxformer.features.base import SAMPLING_RATE, SoundExtractor, at_least


@dataclass(frozen=True)
class LogMel(SoundExtractor):
    """Log-mel spectrogram: the natural logarithm of the power in 80 mel bands from 20 Hz to 8 kHz, every 10 ms.

    For those whom openSMILE's licence (research and teaching) does not suit.
    """

    name = "logmel"
    dims: int = 80
    window: float = 0.025
    frames_per_second: float = 100.0

    def of_waveform(self, waveform: np.ndarray) -> np.ndarray:
        """Log-mel bands `[T, 80]` float32 of a waveform `[samples]` in -1..1 at 16 kHz."""
        from transformers.audio_utils import spectrogram, window_function  # slow to import, so only where it is used

        length = round(self.window * SAMPLING_RATE)
        bands = spectrogram(
            at_least(waveform, self.window).astype(np.float64),
            window=window_function(length, "hann"),
            frame_length=length,
            hop_length=round(SAMPLING_RATE / self.frames_per_second),
            fft_length=512,
            power=2.0,
            center=True,
            mel_filters=_mel_filters(self.dims),
            mel_floor=1e-10,
            log_mel="log",
        )  # [80, T]
        return np.ascontiguousarray(bands.T, dtype=np.float32)  # [T, 80]


@functools.cache
def _mel_filters(bands: int) -> np.ndarray:
    from transformers.audio_utils import mel_filter_bank

    return mel_filter_bank(257, bands, 20.0, 8000.0, SAMPLING_RATE, norm="slaney", mel_scale="slaney")  # [257, bands]
