"""Who speaks and how, 100 times a second: the frames of a network trained to tell speakers apart."""

import functools
import re
from dataclasses import dataclass, field

import numpy as np

from auxformer.errors import InputError
from auxformer.features.base import SAMPLING_RATE, SoundExtractor, at_least
from auxformer.features.pretrained.networks import read_tensors
from auxformer.features.pretrained.packaged import SPEAKER_ENCODER, weights_of

BANDS, WINDOW, HOP = 40, 400, 160
"""Mel bands, and samples per window and between windows (25 and 10 ms), of the spectrogram that the network takes."""
LEVEL = -30.0
"""Decibels below full scale to which every recording is brought first."""
GATES = 4
"""Of an LSTM, whose weights lie one below the other in one matrix."""


@dataclass(frozen=True)
class SpeakerEncoder(SoundExtractor):
    """Outputs of a speaker encoder for every frame, before they are averaged to one vector per speaker.

    An LSTM over 40 mel bands trained with the generalised end-to-end loss (Wan et al., ICASSP 2018) on thousands of
    speakers: 256 numbers, none negative, every 10 ms. It knows the speaker, so split by speaker and show it. The frame at
    row i is centred at i · 10 ms.

    Attributes:
        path: Weights of that layout as torch saves them ("model_state" with lstm.* and linear.*); nothing in the file is
            run. None takes those of the package resemblyzer.
        sha256: Of the file, looked up.
    """

    path: str | None = field(default=None, repr=False)
    sha256: str = field(init=False)

    name = "voice"
    frames_per_second = SAMPLING_RATE / HOP

    def __post_init__(self):
        path, sha256 = weights_of(self.path, SPEAKER_ENCODER, self.name, "a file of such weights: voice:FILE")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "sha256", sha256)

    @property
    def dims(self) -> int:
        """Outputs of the network: 256 of the packaged one."""
        return _load(self.path, self.sha256)[1].out_features

    def of_waveform(self, waveform: np.ndarray) -> np.ndarray:
        """Outputs `[T, D]` float32 of a waveform `[samples]` in -1..1 at 16 kHz; T = 1 + samples // 160."""
        import torch

        lstm, linear = _load(self.path, self.sha256)
        with torch.inference_mode():
            states, _ = lstm(torch.from_numpy(mel_bands(waveform))[None])  # [1, T, H]
            return torch.relu(linear(states[0])).numpy()  # [T, D]


def mel_bands(waveform: np.ndarray) -> np.ndarray:
    """Power in 40 mel bands `[T, 40]` float32, no logarithm, of a waveform `[samples]` brought to `LEVEL`."""
    import torch

    waveform = at_least(waveform, WINDOW / SAMPLING_RATE).astype(np.float32)
    loudness = np.sqrt(np.mean(waveform**2, dtype=np.float64))
    if loudness > 0:  # silence stays silence
        waveform = waveform * np.float32(10 ** (LEVEL / 20) / loudness)
    waves = torch.stft(torch.from_numpy(waveform), WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)
    return (waves.abs() ** 2).numpy().T @ _mel_filters()  # [T, 201] @ [201, 40]


def read_encoder(path: str) -> tuple:
    """The LSTM and the linear layer of a file, in evaluation mode; their sizes are those of the weights.

    Raises:
        InputError: The file holds more than tensors, or other weights than a speaker encoder's.
    """
    import torch

    weights = read_tensors(path, "model_state")
    layers = sum(bool(re.fullmatch(r"lstm\.weight_hh_l\d+", name)) for name in weights)
    for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "linear.weight", "linear.bias"):
        if name not in weights:
            raise _other(path, f"lacks {name}")
    if weights["lstm.weight_ih_l0"].shape[-1] != BANDS:
        raise _other(path, f"takes {weights['lstm.weight_ih_l0'].shape[-1]} numbers per frame")
    hidden = weights["lstm.weight_ih_l0"].shape[0] // GATES
    lstm = torch.nn.LSTM(BANDS, hidden, layers, batch_first=True)
    linear = torch.nn.Linear(hidden, len(weights["linear.bias"]))
    for prefix, part in (("lstm.", lstm), ("linear.", linear)):
        mine = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        try:
            part.load_state_dict(mine)
        except RuntimeError as error:
            raise _other(path, f"does not fit ({' '.join(str(error).split())})") from error
        part.float().eval().requires_grad_(False)
    return lstm, linear


def _other(path: str, what: str) -> InputError:
    return InputError(f"{path}: {what}, expected a speaker encoder: an LSTM over {BANDS} mel bands and a linear layer.")


@functools.lru_cache(maxsize=2)
def _load(path: str, sha256: str) -> tuple:
    """Both layers: once per process."""
    return read_encoder(path)


@functools.cache
def _mel_filters() -> np.ndarray:
    from transformers.audio_utils import mel_filter_bank  # slow to import, so only where it is used

    bank = mel_filter_bank(WINDOW // 2 + 1, BANDS, 0.0, 8000.0, SAMPLING_RATE, norm="slaney", mel_scale="slaney")
    return bank.astype(np.float32)  # [201, 40]
