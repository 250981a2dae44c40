"""A run: the folder of a trained network, which holds everything that it takes to predict and to recognise.

config.toml              network and training
run.json                 what it was made from: classes, features, partition, task, and digests of clips, labels and code
normalisers.safetensors  mean and deviation of the features of its training clips
metrics.jsonl            a line per epoch
model.safetensors        the kept checkpoint
finished.json            its score and epoch; there once the run is complete
state/                   what resuming needs
"""

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

import auxformer
from auxformer.config import Config
from auxformer.corpora.partitions import PARTS
from auxformer.data.normalise import Normalizer
from auxformer.data.split import ClipDataset, Split
from auxformer.errors import InputError
from auxformer.evaluation.predictions import predict
from auxformer.files import make_folder, whole_file, write_text
from auxformer.fingerprints import what_changed
from auxformer.models import create_model
from auxformer.models.code import computed_by
from auxformer.models.device import device_of

FORMAT = 3
STREAMS = ("audio", "video")
KINDS = dict(classes=list, features=dict, clips=str, limit=(int, float), made_by=dict, partition=dict, task=dict)


@dataclass(frozen=True)
class Run:
    """A finished run: it predicts and recognises without its corpus and its features.

    Two lines: `run = load("runs/mine")`, then `run.predict(task.split(0).test)`.

    Attributes:
        folder: Where it lies.
        config: Network and training.
        about: The content of `run.json`.
        metrics: A row per epoch.
        normalizers: "audio" and "video" -> how features are standardised.
        model: The network it kept, in evaluation mode, on the CPU.
    """

    folder: Path
    config: Config
    about: dict
    metrics: pd.DataFrame
    normalizers: dict[str, Normalizer] = field(repr=False)
    model: torch.nn.Module = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the attributes, in the order of every posterior."""
        return tuple(self.about["classes"])

    def predict(self, dataset: ClipDataset, conditions="basic", device="auto", **how) -> pd.DataFrame:
        """A row per clip and condition: clip, speaker, condition, truth, predicted, a probability per class.

        Args:
            dataset: Clips of a split, of the same extractors and classes as those of the training.
            conditions: Names or groups of `data.missing`: "basic", "frames", "all".
            device: Where to compute; "auto" is a GPU where there is one, unless the run was trained with device "cpu".
            how: `change` and `vote`, see `evaluation.predictions.predict`.

        Raises:
            InputError: other classes or features, or a condition that does not exist.
        """
        self._check_fits(dataset)
        dataset = dataset.with_(**{f"{stream}_normalizer": self.normalizers[stream] for stream in STREAMS})
        told = self.config.training.device
        device = device_of("cpu" if device == "auto" and told == "cpu" else device)
        try:
            return predict(self.model.to(device), dataset, conditions, device, **how)
        finally:
            self.model.to("cpu")

    def recognise(self, path, of_speaker=()):
        """What the network says about a film, a sound file or a silent film: see `auxformer.recognise.recognise`."""
        from auxformer.recognise import recognise  # pulls the decoders

        return recognise(path, self.recogniser(), of_speaker)

    def recogniser(self):
        """The network with everything it takes to show it a film, step by step: `auxformer.recognise.Recogniser`."""
        from auxformer.recognise import Recogniser

        by_speaker = self.about["task"].get("normalise") == "speaker"
        return Recogniser.of(self.model, self.classes, self.about["features"], self.normalizers, by_speaker)

    def _check_fits(self, dataset: ClipDataset) -> None:
        if dataset.classes != self.classes:
            ours, theirs = (", ".join(classes) for classes in (self.classes, dataset.classes))
            raise InputError(f"{self.folder}: was trained on {ours}, not {theirs}.")
        for stream in STREAMS:
            known, store = self.about["features"][stream], getattr(dataset, stream)
            if (known["dims"], known["digest"]) != (store.dims, str(store.digest)):
                raise InputError(
                    f"{self.folder}: was trained on {known['dims']}-d {known['name']} with settings {known['digest']}, not on "
                    f"{store.dims}-d {store.name} with {store.digest}."
                )


def load(folder: str | Path) -> Run:
    """The finished run in a folder; neither corpus nor features are needed.

    Two lines: `run = load("runs/mine")`, then `run.recognise("clip.mp4").answer`.

    Raises:
        InputError: when there is no finished run, it is of an older version, or a file of it is damaged.
    """
    folder = Path(folder)
    about = read_about(folder)
    if about is None or not (folder / "finished.json").is_file():
        raise InputError(f'{folder}: no {"finished " * (about is not None)}run here; train first ("auxformer train", af.fit).')
    try:
        config = Config.load(folder / "config.toml")
        if not (folder / "config.toml").stat().st_size:  # every setting is written, so nothing is no default
            raise ValueError("config.toml is empty")
        dims = (about["features"][stream]["dims"] for stream in STREAMS)
        model = create_model(config.model.name, config.model, *dims, len(about["classes"]))
        model.load_state_dict(load_file(folder / "model.safetensors"))
        tensors = load_file(folder / "normalisers.safetensors")
        normalizers = {
            stream: Normalizer(*(tensors[f"{stream}_{name}"].numpy() for name in ("mean", "deviation")), about["limit"])
            for stream in STREAMS
        }
        return Run(folder, config, about, read_metrics(folder), normalizers, model.eval())
    except InputError:
        raise
    except Exception as error:  # of a damaged file; safetensors and torch raise their own kinds
        raise InputError(f"{folder}: a file in it cannot be read ({error}); remove it and train again.") from error


def claim(folder: Path, config: Config, split: Split) -> None:
    """Make the folder of a run, or check that the run in it is this one.

    Raises:
        InputError: the folder cannot be written, or holds a run of another config, of other data or of an older version;
            the sentence names what differs.
    """
    about = describe(split, config.model.name)
    before = read_about(folder)
    if before is not None:
        if Config.load(folder / "config.toml").digest() != config.digest():
            raise InputError(f"{folder}: holds a run of another config; give another folder or remove this one.")
        if other := differences(before, about):
            raise InputError(f"{folder}: holds a run of {other}; give another folder or remove this one.")
        return
    make_folder(folder)
    config.save(folder / "config.toml")
    tensors = {
        f"{stream}_{name}": torch.from_numpy(getattr(getattr(split.train, f"{stream}_normalizer"), name))
        for stream in STREAMS for name in ("mean", "deviation")
    }  # fmt: skip
    with whole_file(folder / "normalisers.safetensors") as part:
        save_file(tensors, part)
    write_text(folder / "run.json", json.dumps(about, indent=1))  # last: the folder is a run once it is there


def describe(split: Split, system: str) -> dict:
    """What a run of a system on this split says of its origin, as `run.json` holds it."""
    origin = {} if split.task is None else split.task.origin
    partition, features = {}, {}
    if split.partition is not None:
        partition = {"name": split.partition.name, **{part: list(getattr(split.partition, part)) for part in PARTS}}
    for stream in STREAMS:
        store = getattr(split.train, stream)
        features[stream] = {
            "name": store.name, "spec": origin.get(stream, store.name), "dims": int(store.dims), "digest": str(store.digest),
        }  # fmt: skip
    versions = {"auxformer": auxformer.__version__, "torch": torch.__version__, "python": platform.python_version()}
    versions["threads"] = torch.get_num_threads()
    return {
        "format": FORMAT, **split.made_from(), "features": features, "limit": split.train.audio_normalizer.limit,
        "partition": partition, "task": origin, "made_by": computed_by(system), "versions": versions,
    }  # fmt: skip


def differences(before: dict, now: dict) -> str:
    """What makes two runs different in what they are made from, in words; "" where nothing does."""
    words = {"classes": "other classes", "features": "other features", "clips": "other speakers, clips or labels"}
    changed = [text for key, text in words.items() if before[key] != now[key]]
    if code := what_changed(before["made_by"], now["made_by"]):
        changed.append(f"other code or libraries: {code}")
    return " and ".join(changed)


def read_about(folder: Path) -> dict | None:
    """The content of `run.json`; None where the folder holds no run.

    Raises:
        InputError: a run of auxformer 0.1, or a damaged file.
    """
    file = Path(folder) / "run.json"
    if not file.is_file():
        if (Path(folder) / "environment.json").is_file():
            what = "a run of auxformer 0.1, which did not keep what it was made from"
            raise InputError(f"{folder}: holds {what}; train it again in another folder. Nothing was deleted.")
        return None
    try:
        about = json.loads(file.read_text("utf-8"))
        whole = about["format"] == FORMAT and all(isinstance(about[key], kind) for key, kind in KINDS.items())
        whole = whole and all(about["features"][stream].keys() >= {"name", "dims", "digest"} for stream in STREAMS)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); remove the folder and train again.") from error
    if not whole:
        raise InputError(f"{file}: is not of this version; remove the folder and train again.")
    return about


def read_metrics(folder: str | Path) -> pd.DataFrame:
    """One row per finished epoch."""
    lines = (Path(folder) / "metrics.jsonl").read_text("utf-8").splitlines()
    return pd.DataFrame([json.loads(line) for line in lines])
