"""One `fit()` for every network: train, score dev, keep the best, resume after a kill to the same bits.

Every random draw is named by (what, seed, epoch), so an epoch that was cut short is simply run again.
"""

import contextlib
import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.optim.lr_scheduler import ReduceLROnPlateau

from auxformer.config import Config, TrainingConfig, config_for, preset
from auxformer.data.batch import Batch, BucketSampler, collate, eval_batches, take
from auxformer.data.missing import modality_dropout
from auxformer.data.split import ClipDataset, Split
from auxformer.errors import InputError, TrainingError, check_range
from auxformer.evaluation.ccc import ccc_loss
from auxformer.evaluation.predictions import predict
from auxformer.evaluation.scores import headline_scores
from auxformer.features.augment import augmented, mixed
from auxformer.features.lacking import as_trained
from auxformer.files import locked, whole_file, write_text
from auxformer.models import Logits, check_attributes, create_model, shared_loss
from auxformer.models.balance import Balance, create_balance
from auxformer.models.device import device_of
from auxformer.models.memory import keep_freed_memory
from auxformer.models.synchrony import check_synchrony
from auxformer.seeds import seed_of
from auxformer.training.run import Run, claim, load
from auxformer.training.state import load_optimizer_tensors, load_state, optimizer_tensors, save_state


def fit(what: str | Config, split: Split, out: str | Path | None = None, progress: bool = True) -> Run:
    """Train a network on `split.train`, choose on `split.dev`, keep the choice in the folder `out`.

    Calling it again on the same folder continues where a killed run stopped, or returns the finished run. The test clips
    are not touched. Two lines: `split = task.split(0)`, then `run = fit("auxformer", split, "runs/mine")`.

    Args:
        what: A registered model with the default settings, "NAME@PRESET", or a `Config`.
        split: Train, dev and test clips.
        out: Folder of the run; `runs/NAME` of the model when none is given.
        progress: Whether to show a bar.

    Raises:
        InputError: an unknown model, or a folder that holds a run of another config or of other data.
        TrainingError: when the loss stops being a number; the message names the step and the clips.
    """
    config = what if isinstance(what, Config) else config_for(what, preset("default"))
    if split.train.kind == "attributes":
        check_range("training.label_smoothing, with attributes,", config.training.label_smoothing, 0, 0)
        check_attributes(config.model)
    split = as_trained(split, config.training)
    folder = Path(out or Path("runs") / config.model.name)
    finished = (folder / "finished.json").is_file()
    check_synchrony(config, split.train)  # what is refused is refused before there is a folder
    balance = None if finished else create_balance(config, split.train)
    claim(folder, config, split)
    if finished:
        return load(folder)
    keep_freed_memory()
    alone = os.environ.get("RANK", "0") == "0"  # of processes that train one network the first takes the lock for all
    waiting = f"{folder}: another process is training in it; waiting for that."
    with locked(folder, waiting) if alone else contextlib.nullcontext():
        if (folder / "finished.json").is_file():  # by the process that was waited for
            return load(folder)
        # The caller's random state is left alone.
        with torch.random.fork_rng(devices=[]), _determinism(config.training.deterministic):
            return _Trainer(config, split, folder, progress, balance).run()


class _Trainer:
    """What one call of `fit` holds in hand."""

    def __init__(self, config: Config, split: Split, folder: Path, progress: bool, balance: Balance):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)  # or the device of an earlier fit stays this process's
        self.config, self.split, self.folder, self.progress, self.balance = config, split, folder, progress, balance
        settings = config.training
        self.score_name = "ccc" if split.train.kind == "attributes" else "macro_f1"
        self.accelerator = Accelerator(cpu=device_of(settings.device).type == "cpu")
        self.device = self.accelerator.device
        torch.manual_seed(seed_of("weights", settings.seed))
        # The module itself; `model` may be wrapped and shares its parameters.
        dims = split.train.audio.dims, split.train.video.dims
        self.network = create_model(config.model.name, config.model, *dims, len(split.train.classes))
        model = torch.compile(self.network) if settings.compile else self.network
        self.model, self.optimizer = self.accelerator.prepare(model, make_optimizer(self.network, settings))
        self.sampler = BucketSampler(split.train.lengths, settings.batch_size, settings.seed, settings.bucket)
        self.plateau = ReduceLROnPlateau(self.optimizer.optimizer, factor=0.1, patience=settings.decay)
        self.best = {"score": -math.inf, "epoch": -1}
        self.best_weights: dict[str, torch.Tensor] = {}
        self.lines: list[dict] = []

    def run(self) -> Run:
        from tqdm.auto import tqdm

        from auxformer.progress import is_watched

        epochs, clips = self.config.training.epochs, len(self.split.train)
        start = self._resume()
        watched = self.progress and is_watched() and self.accelerator.is_main_process
        look = {"unit": " clips", "disable": not watched, "dynamic_ncols": True}
        with tqdm(desc="training", total=epochs * clips, initial=start * clips, **look) as self.bar:
            for epoch in range(start, epochs):
                line = self._epoch(epoch)
                shown = {"dev": line[f"dev_{self.score_name}_complete"], "best": self.best["score"]}
                self.bar.set_postfix(epoch=f"{epoch + 1}/{epochs}", loss=line["train_loss"], **shown)
                self._save(epoch)
        if self.accelerator.is_main_process:
            with whole_file(self.folder / "model.safetensors") as part:
                save_file(self.best_weights, part)
            write_text(self.folder / "finished.json", json.dumps(self.best))
            if self.config.training.keep == 1:
                shutil.rmtree(self.folder / "state", ignore_errors=True)
        self.accelerator.wait_for_everyone()
        return load(self.folder)

    def _epoch(self, epoch: int) -> dict:
        settings, rank, started = self.config.training, self.accelerator.process_index, time.perf_counter()
        torch.manual_seed(seed_of("dropout", settings.seed, epoch, *([rank] if rank else [])))
        coins = torch.Generator().manual_seed(seed_of("modality", settings.seed, epoch))
        self.sampler.set_epoch(epoch)
        self.balance.start(epoch, self.device)
        self.model.train()
        losses = []
        for step, indices in enumerate(self.sampler):
            clips = [augmented(self.split.train[index], settings, epoch) for index in indices]
            batch = drop_streams(mixed(collate(clips), settings, (epoch, step)), settings, coins)
            self._set_learning_rate(epoch * len(self.sampler) + step)
            losses.append(self._step(batch))
            self.bar.update(len(indices))
        loss = self._mean(losses, epoch)
        train_seconds = time.perf_counter() - started
        line = {"epoch": epoch + 1, "train_loss": loss, **self._dev(epoch), **self.balance.norms()}
        line["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        line["clips_per_second"] = round(len(self.split.train) / train_seconds, 1)
        if settings.schedule == "plateau":
            self.plateau.step(line["dev_loss"])
        self.lines.append(line)
        return line

    def _step(self, batch) -> torch.Tensor:
        """One step of the optimiser on a batch of all processes: each takes its clips of it, in `accumulate` parts.

        The parts' losses are weighed by their clips: the gradient is the whole batch's. Returns this process's share of the loss.
        """
        settings, processes = self.config.training, self.accelerator.num_processes
        parts, first = settings.accumulate, self.accelerator.process_index * settings.accumulate
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in range(parts):
            rows = range(first + part, len(batch.clips), processes * parts)
            share = len(rows) / len(batch.clips)
            # every process goes backward, if with weight 0
            piece = (batch if share == 1 else take(batch, list(rows) or [0])).to(self.device)
            with contextlib.nullcontext() if part == parts - 1 else self.accelerator.no_sync(self.model):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
                    logits = self.model(piece)
                self.balance.see(logits, piece)
                loss = _loss(self.split.train.kind, logits, piece.target, settings)
                self.accelerator.backward(loss * share * processes)
            total += loss.detach() * share
        self.balance.scale(self.network, self.accelerator)
        if settings.clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimizer.step()
        return total

    def _mean(self, losses: list[torch.Tensor], epoch: int) -> float:
        """Of an epoch's steps, which are read at its end only: each reading makes a GPU wait."""
        values = self.accelerator.reduce(torch.stack(losses), "sum").tolist()
        for step, value in enumerate(values):
            if not math.isfinite(value):
                clips = ", ".join(self.split.train.clips[index] for index in list(self.sampler)[step])
                raise TrainingError(f"epoch {epoch + 1}, step {step + 1}: the loss is {value}, with the clips {clips}.")
        return float(np.mean(values))

    def _set_learning_rate(self, step: int) -> None:
        settings = self.config.training
        if settings.schedule != "plateau":
            rate = learning_rate(settings, step, settings.epochs * len(self.sampler))
            for group in self.optimizer.param_groups:
                group["lr"] = rate

    def _dev(self, epoch: int) -> dict:
        settings, dev = self.config.training, self.split.dev
        network = self.network.eval()
        loss = dev_loss(network, dev, settings, self.device, epoch)
        if not math.isfinite(loss):
            raise TrainingError(f"epoch {epoch + 1}: the dev loss is {loss}; a lower learning rate or clipping may help.")
        conditions = "basic" if dev.audio.clips and dev.video.clips else "complete"  # a stream that no clip has cannot go missing
        try:
            scores = headline_scores(predict(network, dev, conditions, device=self.device))
        except InputError as error:  # a posterior that is not a number is the training's fault here, not the input's
            raise TrainingError(f"epoch {epoch + 1}, on dev: {error}") from error
        score = -loss if settings.select == "loss" else float(np.mean(list(scores.values())))
        if score > self.best["score"]:
            self.best = {"score": score, "epoch": epoch + 1}
            self.best_weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        return {"dev_loss": loss, **{f"dev_{self.score_name}_{name}": value for name, value in scores.items()}}

    def _save(self, epoch: int) -> None:
        if not self.accelerator.is_main_process:
            return
        tensors = {"model": self.network.state_dict(), "best": self.best_weights, "optimizer": optimizer_tensors(self.optimizer)}
        values = {"epoch": epoch + 1, "best": self.best, "plateau": self.plateau.state_dict(), "lines": self.lines}
        values["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        save_state(self.folder / "state", epoch + 1, tensors, values, self.config.training.keep)
        write_text(self.folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in self.lines))

    def _resume(self) -> int:
        """Number of finished epochs, with everything as it was after them."""
        found = load_state(self.folder / "state")
        if found is None:
            return 0
        tensors, values = found
        self.network.load_state_dict(tensors["model"])
        self.best_weights = tensors["best"]
        load_optimizer_tensors(self.optimizer, tensors["optimizer"])
        self.plateau.load_state_dict(values["plateau"])
        self.best, self.lines = values["best"], values["lines"]
        for group in self.optimizer.param_groups:
            group["lr"] = values["learning_rate"]
        return values["epoch"]


@contextlib.contextmanager
def _determinism(wanted: bool):
    """PyTorch's deterministic algorithms, for as long as a run lasts."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def learning_rate(settings: TrainingConfig, step: int, steps: int) -> float:
    """Learning rate at `step` of `steps`: constant, or a linear warm-up followed by a half cosine to 1 % of it."""
    if settings.schedule == "constant":
        return settings.learning_rate
    warmup = settings.warmup * steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def make_optimizer(model: torch.nn.Module, settings: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser of `settings`; weight decay spares vectors (biases, LayerNorms, α)."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate, fused=True)


def drop_streams(batch: Batch, settings: TrainingConfig, coins: torch.Generator) -> Batch:
    """Modality dropout as the settings have it."""
    rates = settings.drop_audio, settings.drop_video, settings.drop_unit
    return modality_dropout(batch, *rates, coins, settings.drop_law, settings.drop_fill)


@torch.no_grad()
def dev_loss(model, dev: ClipDataset, settings: TrainingConfig, device, epoch: int = 0) -> float:
    """Mean shared loss over dev; with `drop_on_dev` under the same random dropout as in training (the published code).

    Of attributes, the loss of all clips of dev together: a CCC is no mean over batches.
    """
    coins = torch.Generator().manual_seed(seed_of("modality on dev", settings.seed, epoch))
    outputs, targets, losses, clips = [], [], [], []
    for batch in eval_batches(dev):
        if settings.drop_on_dev:
            batch = drop_streams(batch, settings, coins)
        batch = batch.to(device)
        if dev.kind == "attributes":
            outputs.append(model(batch)[:4])  # without `extra`, which is for training
            targets.append(batch.target)
        else:
            losses.append(shared_loss(model(batch), batch.target, settings.loss_weights))
            clips.append(len(batch.clips))
    if dev.kind == "attributes":
        return ccc_loss(Logits(*map(torch.cat, zip(*outputs))), torch.cat(targets), settings.loss_weights).item()
    return float(np.average(torch.stack(losses).tolist(), weights=clips))


def _loss(kind: str, logits: Logits, target: torch.Tensor, settings: TrainingConfig) -> torch.Tensor:
    """In float32, whatever the network computed in."""
    logits = Logits(*(value.float() if torch.is_tensor(value) else value for value in logits))
    if kind == "attributes":
        return ccc_loss(logits, target, settings.loss_weights)
    return shared_loss(logits, target, settings.loss_weights, settings.label_smoothing)
