"""Settings of a run: frozen, checked dataclasses, named presets, TOML in and out.

Every published/default difference of the authors' code is a switch here with a name of its own. `preset("paper")` and
`preset("release")` are the two published forms; `preset("default")` is ours.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path

from auxformer.errors import InputError, check_choice, check_range, suggest
from auxformer.files import read_toml, write_text

LATER = (
    ("training", "balance", "none"), ("training", "balance_alpha", 0.1), ("training", "missing_audio", 0.0),
    ("training", "missing_video", 0.0), ("model", "synchrony", False), ("training", "augment", False),
)  # fmt: skip
"""Settings younger than the first runs: section, name and the value at which all is as before; see `Config.digest`."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a network and the switches between what the authors' code does and what we do.

    Attributes:
        name: Registered model name (`auxformer.models.list_models`).
        width: Model width d; an input stream of another width is projected to it by a 1x1 convolution without bias.
        heads: Attention heads; divides `width`.
        layers: Layers per stack.
        aux_hidden: The two hidden widths of the auxiliary networks' shared MLP.
        aux_passes: How often an auxiliary stack is applied in a row, with tied weights.
        attn_dropout, cross_attn_dropout: On attention weights, in self-attention and in cross-modal stacks.
        relu_dropout, res_dropout, embed_dropout, out_dropout: After the FFN's ReLU, on each branch before it is added, on
            the input of a stack, inside the output MLPs.
        attn_mask: Causal mask `triu(1 + |Tk - Tq|)` in every stack.
        scale_input: Multiply the input of a stack by √d before positions are added (published).
        positions: Sinusoidal positions in the "cross"-modal stacks only (published) or in "all" stacks.
        padding: Padded frames are "attended" (published) or "masked".
        summary: A stack is summarised by its "last" frame (published: even when padded) or the "mean" over valid frames.
        absent: A missing stream is "zeros" that the network attends and whose head votes (published); or its head is left out, and
            it is a "flag" (masked out, its summary zero) or a learned "token" in place of its frames.
        answer: In use, "all" heads that have their stream answer (published) or the "fusion" head alone; all are trained.
        relative: Beside each frame stands its distance from its clip's mean, which no speaker's voice or looks move (published: no).
        synchrony: A third auxiliary task, without labels: are voice and face in step (published: no)? See `models.synchrony`.
        audio_pool, video_pool: Frames averaged into one before the network (1 = none, published).
    """

    name: str = "auxformer"
    width: int = 64
    heads: int = 4
    layers: int = 2
    aux_hidden: tuple[int, int] = (128, 64)
    aux_passes: int = 1
    attn_dropout: float = 0.0
    cross_attn_dropout: float = 0.0
    relu_dropout: float = 0.1
    res_dropout: float = 0.1
    embed_dropout: float = 0.1
    out_dropout: float = 0.2
    attn_mask: bool = False
    scale_input: bool = False
    positions: str = "all"
    padding: str = "masked"
    summary: str = "mean"
    absent: str = "flag"
    answer: str = "all"
    relative: bool = True
    synchrony: bool = False
    audio_pool: int = 8
    video_pool: int = 2

    def __post_init__(self):
        object.__setattr__(self, "aux_hidden", tuple(self.aux_hidden))
        for name in ("width", "heads", "layers", "aux_passes", "audio_pool", "video_pool"):
            check_range(f"model.{name}", getattr(self, name), 1, 100_000)
        if self.width % self.heads:
            raise InputError(f"model.width {self.width} is not a multiple of model.heads {self.heads}.")
        for name in ("attn", "cross_attn", "relu", "res", "embed", "out"):
            check_range(f"model.{name}_dropout", getattr(self, f"{name}_dropout"), 0, 0.95)
        if len(self.aux_hidden) != 2 or min(self.aux_hidden) < 1:
            raise InputError(f"model.aux_hidden is {self.aux_hidden}, expected two widths of 1 or more.")
        check_choice("model.positions", self.positions, ("cross", "all"))
        check_choice("model.padding", self.padding, ("attended", "masked"))
        check_choice("model.summary", self.summary, ("last", "mean"))
        check_choice("model.absent", self.absent, ("zeros", "flag", "token"))
        check_choice("model.answer", self.answer, ("all", "fusion"))


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        epochs, batch_size, learning_rate, weight_decay: As usual; the learning rate is that of the first epoch.
        optimizer: "adam", "adamw" or "sgd".
        clip: Largest gradient norm (0 = no clipping).
        schedule: "plateau" (x0.1 when the dev loss has not fallen for `decay` epochs, published), "cosine" or "constant".
        decay: Patience of the plateau schedule, epochs.
        warmup: Share of all steps over which the learning rate rises from zero ("cosine" only).
        loss_weights: Weights of the fusion, audio and video losses.
        label_smoothing: Share of each target spread evenly over the classes; 0 for attributes.
        drop_audio, drop_video: Probability that modality dropout removes the stream; never both.
        drop_unit: One coin per "batch" (published) or per "clip".
        drop_law: "either" stream (published), "uniform" over complete and single streams, "soft" mixing or "frames"; see
            `auxformer.data.missing.DROP_LAWS`.
        drop_fill: What is dropped is "absent", or "noise" that the network takes for a stream.
        drop_on_dev: Modality dropout on dev as well (published), which makes the choice of the checkpoint a matter of luck.
        missing_audio, missing_video: Share of the training clips that lack the stream for good (`auxformer.features.lacking`).
        augment: Training clips at another speed, with spans masked, and mixed, anew in each epoch (`auxformer.features.augment`).
        balance: "none", or "ogm-ge": the stream that leads learns more slowly (`auxformer.models.balance`).
        balance_alpha: How much more slowly: the α of "ogm-ge".
        select: Checkpoint kept: lowest dev "loss" (published) or highest dev "macro-f1" (attributes: mean CCC) averaged
            over complete, no-audio and no-video.
        video_order: Frames in "time" order, or in "directory" order (published: whatever the file system listed).
        bucket: Batches of clips of like length.
        accumulate: Parts of a batch that go through the network one after the other before a step; saves memory, changes
            nothing but the draw of the dropout (attributes: a CCC is computed within each part).
        precision: "float32", or "bf16" for the network's products (autocast); losses and weights stay float32.
        compile: `torch.compile` the network.
        deterministic: PyTorch's deterministic algorithms, which refuse what has none.
        seed: Of initial weights, order, dropout.
        keep, device, label: Checkpoints kept besides the best; "auto", "cpu" or "cuda"; a name. They do not change the digest.
    """

    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    clip: float = 1.0
    schedule: str = "cosine"
    decay: int = 5
    warmup: float = 0.1
    loss_weights: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    label_smoothing: float = 0.0
    drop_audio: float = 0.2
    drop_video: float = 0.2
    drop_unit: str = "clip"
    drop_law: str = "either"
    drop_fill: str = "absent"
    drop_on_dev: bool = False
    missing_audio: float = 0.0
    missing_video: float = 0.0
    augment: bool = False
    balance: str = "none"
    balance_alpha: float = 0.1
    select: str = "macro-f1"
    video_order: str = "time"
    bucket: bool = True
    accumulate: int = 1
    precision: str = "float32"
    compile: bool = False
    deterministic: bool = False
    seed: int = 0
    keep: int = 1
    device: str = "auto"
    label: str = ""

    def __post_init__(self):
        object.__setattr__(self, "loss_weights", tuple(self.loss_weights))
        for name, low, high in (
            ("epochs", 1, 100_000), ("batch_size", 1, 100_000), ("learning_rate", 1e-9, 10), ("weight_decay", 0, 10),
            ("clip", 0, 1e6), ("decay", 0, 100_000), ("warmup", 0, 0.9), ("label_smoothing", 0, 0.9),
            ("drop_audio", 0, 1), ("drop_video", 0, 1), ("missing_audio", 0, 1), ("missing_video", 0, 1),
            ("accumulate", 1, 10_000), ("keep", 1, 10_000), ("balance_alpha", 0, 9),
        ):  # fmt: skip
            check_range(f"training.{name}", getattr(self, name), low, high)
        check_range("training.drop_audio + training.drop_video", self.drop_audio + self.drop_video, 0, 1)
        check_range("training.missing_audio + training.missing_video", self.missing_audio + self.missing_video, 0, 1)
        for name, allowed in (
            ("precision", ("float32", "bf16")), ("device", ("auto", "cpu", "cuda")), ("select", ("loss", "macro-f1")),
            ("optimizer", ("adam", "adamw", "sgd")), ("schedule", ("plateau", "cosine", "constant")),
            ("drop_unit", ("batch", "clip")), ("drop_law", ("either", "uniform", "soft", "frames")),
            ("drop_fill", ("absent", "noise")), ("video_order", ("time", "directory")), ("balance", ("none", "ogm-ge")),
        ):  # fmt: skip
            check_choice(f"training.{name}", getattr(self, name), allowed)
        weights = self.loss_weights
        if len(weights) != 3 or not (all(weight >= 0 for weight in weights) and 0 < sum(weights) < math.inf):
            raise InputError(f"training.loss_weights is {weights}, expected three numbers >= 0, not all zero.")


@dataclass(frozen=True)
class Config:
    """The network and its training: everything that decides a result besides the task (corpus, features, target).

    Two lines: `config = preset("default")`, then `override(config, {"training": {"epochs": 3}})`.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def digest(self) -> str:
        """Ten hex digits over every field that changes a result (not `keep`, the device or the label).

        A run that is older than a setting keeps its digest: a setting of `LATER` counts only where it has another value.
        """
        values = self.to_dict()
        for name in ("keep", "device", "label"):
            del values["training"][name]
        for section, name, as_before in LATER:
            if values[section][name] == as_before:
                del values[section][name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]

    def to_dict(self) -> dict:
        """Plain nested dict of lists and numbers, as TOML wants it."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """Config of a nested dict; unknown sections and keys raise InputError with a suggestion."""
        return override(cls(), values)

    def save(self, path: Path) -> None:
        """Write as TOML."""
        import tomli_w

        write_text(path, tomli_w.dumps(self.to_dict()))

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read TOML; unknown keys and wrong types raise InputError."""
        return cls.from_dict(read_toml(path))


def override(config, values: dict, prefix: str = ""):
    """A copy of `config` with some of its fields replaced by `values`; nested dicts reach into sections.

    Two lines: `config = preset("default")`, then `override(config, {"training": {"epochs": 3}})`. Messages put `prefix` before a key.

    Raises:
        InputError: for a key that does not exist, with the nearest one, and for a value of the wrong type.
    """
    known = {item.name for item in fields(config)}
    changes = {}
    for key, value in values.items():
        if key == "data" and isinstance(config, Config):
            raise InputError("target, rule and classes belong to the task now: Task(..., target=), --target, [task].")
        if key not in known:
            raise InputError(f'unknown setting "{prefix}{key}".{suggest(key, known)}')
        changes[key] = _as_type_of(getattr(config, key), value, f"{prefix}{key}")
    return replace(config, **changes)


def _as_type_of(old, value, name: str):
    if is_dataclass(old):
        if isinstance(value, dict):
            return override(old, value, f"{name}.")
        raise InputError(f"{name} is {value!r}, expected a section: [{name}] and its settings below it.")
    if isinstance(old, tuple) and isinstance(value, (list, tuple)):
        return tuple(_as_type_of(old[0], item, name) for item in value)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(old) is not type(value):
        raise InputError(f"{name} is {value!r}, expected {type(old).__name__}.")
    return value


PRESETS = Path(__file__).parent / "presets"
"""Folder of the named settings: a TOML file each, with a line `about` and what differs from its `base`."""


def list_presets() -> dict[str, str]:
    """Name of every preset and one line about it."""
    return {path.stem: read_toml(path)["about"] for path in sorted(PRESETS.glob("*.toml"))}


def preset(name: str) -> Config:
    """The named settings. Raises InputError with a suggestion for an unknown name.

    >>> preset("paper").model.heads, preset("paper").model.absent, preset("default").model.absent
    (10, 'zeros', 'flag')
    """
    if name not in list_presets():
        raise InputError(f'unknown preset "{name}".{suggest(name, list_presets())}')
    values = read_toml(PRESETS / f"{name}.toml")
    base = preset(values["base"]) if "base" in values else Config()
    return override(base, {section: values[section] for section in ("model", "training") if section in values})


def config_for(system: str, base: Config) -> Config:
    """The settings of a system by name: rivals take the shape and the training of `base`, or their own preset.

    "mult" is the model of that name, "mult@mult-published" the same with another preset's settings. AuxFormer in either form
    keeps the name that `base` has for it.

    >>> config_for("mult@mult-published", preset("quick")).training.epochs
    40
    """
    name, _, settings = system.partition("@")
    if settings:
        base = override(preset(settings), {"training": {"seed": base.training.seed, "device": base.training.device}})
    if name == "auxformer" and base.model.name.startswith("auxformer"):
        return base
    return replace(base, model=replace(base.model, name=name))
