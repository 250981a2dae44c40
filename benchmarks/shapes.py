"""What is timed: a batch at the paper's shapes, and a training step of the plain transcription and of ours."""

import torch
import torch.nn.functional as F
from plain import PlainAuxFormer

from auxformer.benchmark.gpu import random_batch
from auxformer.config import Config, preset
from auxformer.data.batch import Batch
from auxformer.models import create_model, shared_loss
from auxformer.training.fit import make_optimizer

SHAPE = dict(audio_dims=130, video_dims=4096, classes=6)


def make_batch(clips=32, audio_frames=250, video_frames=75) -> Batch:
    """Random features, every frame valid."""
    return random_batch(clips, audio_frames, SHAPE["audio_dims"], video_frames, SHAPE["video_dims"])


def plain_step(batch: Batch):
    """A training step and a forward pass of the plain transcription, and its model."""
    config, settings = preset("paper").model, preset("paper").training
    model = PlainAuxFormer(config, **SHAPE).train()
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate)

    def step():
        loss = sum(F.cross_entropy(head, batch.target) for head in model(batch.audio, batch.video)) / 3
        optimizer.zero_grad()
        loss.backward()
        nn_clip(model, settings.clip)
        optimizer.step()

    return step, lambda: model(batch.audio, batch.video), model


def our_step(batch: Batch, config: Config):
    """The same of ours."""
    model = create_model(config.model.name, config.model, **SHAPE).train()
    optimizer = make_optimizer(model, config.training)

    def step():
        loss = shared_loss(model(batch), batch.target, config.training.loss_weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn_clip(model, config.training.clip)
        optimizer.step()

    return step, lambda: model(batch), model


def nn_clip(model, norm: float) -> None:
    if norm:
        torch.nn.utils.clip_grad_norm_(model.parameters(), norm)
