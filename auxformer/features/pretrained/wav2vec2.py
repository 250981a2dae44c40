"""What a network trained on unlabelled speech hears: hidden states of wav2vec 2.0, 50 a second."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auxformer.errors import InputError, check_range
from auxformer.features.base import SAMPLING_RATE, SoundExtractor
from auxformer.features.pretrained.networks import HubModel, choose_device, load_model, read_config

PUBLISHED = ("facebook/wav2vec2-large-robust", 12)
"""The model of the AuxFormer release and how many of its 24 layers that keeps. Its weights lie on the hub as safetensors
under the revision "refs/pr/1"; what the main revision has needs `networks.convert`."""


@dataclass(frozen=True)
class Wav2Vec2(HubModel, SoundExtractor):
    """Hidden states of a wav2vec 2.0 network (Baevski et al., NeurIPS 2020), one vector about every 20 ms.

    A clip's vectors do not depend on the clips it shares a batch with: padding is masked, and networks whose first
    convolution is normalised over time ("group"), which no mask mends, only get clips of one length together.

    Attributes:
        model: Name on the hub (then it must be in the local cache) or folder.
        layers: Transformer layers to keep, the first ones; the others are neither loaded nor computed. 12 unless told,
            or all where there are fewer.
        final_norm: Apply the LayerNorm that pre-norm networks have after their last layer to the last layer kept, as
            the AuxFormer release does; without it the vectors are the plain hidden states.
        max_seconds: Cut clips after so many seconds (the AuxFormer release: 12); None keeps all.
        half: bfloat16 where it is safe; on a GPU only.
        device: "auto", "cpu" or "cuda". Does not change the digest.
        batch: Clips at a time; 1 on a CPU and 16 on a GPU unless told. Does not change the digest.
        content: Hash of the model's weights and settings.
    """

    model: str = field(default=PUBLISHED[0], repr=False)
    layers: int | None = None
    final_norm: bool = True
    max_seconds: float | None = None
    half: bool = False
    device: str = field(default="auto", repr=False)
    batch: int | None = field(default=None, repr=False)
    content: str = field(init=False)
    folder: str = field(init=False, repr=False)

    kind = "wav2vec2"

    def __post_init__(self):
        self.look_up()
        known = self._config
        if known.model_type != "wav2vec2":
            raise InputError(f'{self.folder}: is a model of the type "{known.model_type}", expected "wav2vec2".')
        if self.layers is not None:
            check_range("layers", self.layers, 1, known.num_hidden_layers)
        if self.max_seconds is not None:
            check_range("max_seconds", self.max_seconds, 0.025, 3600)
        if self.batch is not None:
            check_range("batch", self.batch, 1, 1024)
        if self.half and choose_device(self.device) != "cuda":
            raise InputError("half is on, but the network runs on the CPU; half precision is for a GPU.")
        object.__setattr__(self, "layers", self.layers or min(PUBLISHED[1], known.num_hidden_layers))

    @property
    def dims(self) -> int:
        """Width of the network: 768 for the base ones, 1024 for the large ones."""
        return self._config.hidden_size

    @property
    def frames_per_second(self) -> float:
        """16000 over the product of the strides: 50 Hz."""
        return SAMPLING_RATE / float(np.prod(self._config.conv_stride))

    @property
    def clips_at_once(self) -> int:
        """Clips that are given to the network together."""
        return self.batch or {"cpu": 1, "cuda": 16}[choose_device(self.device)]

    def of_waveform(self, waveform: np.ndarray) -> np.ndarray:
        """Hidden states `[T, D]` float32 of a waveform `[samples]` in -1..1 at 16 kHz."""
        return self.of_many([waveform])[0]

    def of_many(self, waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Hidden states `[T, D]` float32 of each of several waveforms `[samples]` in -1..1 at 16 kHz."""
        import torch

        device = choose_device(self.device)
        network, normalise = _load(self.folder, self.content, self.layers, self.final_norm, device)
        waveforms = [self._trimmed(waveform) for waveform in waveforms]
        states: list[np.ndarray] = [np.empty(0)] * len(waveforms)
        for group in self._groups([len(waveform) for waveform in waveforms]):
            inputs = normalise(
                [waveforms[i] for i in group], sampling_rate=SAMPLING_RATE, padding=True, return_attention_mask=True,
                return_tensors="pt",
            ).to(device)  # fmt: skip
            sounding = inputs["attention_mask"]  # [B, samples], 0 where padded
            mask = None if sounding.all() else sounding
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=self.half):
                hidden = network(inputs["input_values"], attention_mask=mask).last_hidden_state  # [B, T, D]
            for i, rows in zip(group, hidden.float().cpu().numpy(), strict=True):
                states[i] = rows[: self.frames(len(waveforms[i]))]
        return states

    def frames(self, samples: int) -> int:
        """Vectors that the network gives for so many samples."""
        known = self._config
        for kernel, stride in zip(known.conv_kernel, known.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    @functools.cached_property
    def _config(self):
        from transformers import Wav2Vec2Config

        return read_config(Wav2Vec2Config, self.folder)

    def _trimmed(self, waveform: np.ndarray) -> np.ndarray:
        if self.max_seconds is not None:
            waveform = waveform[: round(self.max_seconds * SAMPLING_RATE)]
        known, shortest = self._config, 1
        for kernel, stride in zip(reversed(known.conv_kernel), reversed(known.conv_stride), strict=True):
            shortest = (shortest - 1) * stride + kernel  # samples that one vector sees: 400
        return np.pad(waveform, (0, max(0, shortest - len(waveform))))

    def _groups(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        by_length = sorted(range(len(lengths)), key=lambda i: lengths[i])
        over_time = self._config.feat_extract_norm == "group"
        for _, alike in itertools.groupby(by_length, key=lambda i: lengths[i] if over_time else 0):
            alike = list(alike)
            yield from (alike[at : at + self.clips_at_once] for at in range(0, len(alike), self.clips_at_once))


@functools.lru_cache(maxsize=2)
def _load(folder: str, content: str, layers: int, final_norm: bool, device: str) -> tuple:
    """The network and what prepares its input: once per process."""
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    network, _ = load_model(
        Wav2Vec2Model, folder, ("masked_spec_embed",), num_hidden_layers=layers, add_adapter=False
    )  # the vector that stands in for masked sound is for training only
    if network.config.do_stable_layer_norm and not final_norm:
        network.encoder.layer_norm = torch.nn.Identity()
    normalise = Wav2Vec2FeatureExtractor()
    if (Path(folder) / "preprocessor_config.json").is_file():
        normalise = read_config(Wav2Vec2FeatureExtractor, folder)
    if normalise.sampling_rate != SAMPLING_RATE:
        raise InputError(f"{folder}: hears sound of {normalise.sampling_rate} Hz, expected {SAMPLING_RATE}.")
    return network.to(device), normalise
