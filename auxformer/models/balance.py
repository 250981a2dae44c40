"""Balance between the streams in training: on-the-fly gradient modulation (OGM-GE; Peng et al., CVPR 2022).

While both streams are trained together the one that is easier to read leads, and the other learns little more. OGM-GE looks,
step by step, at how sure each stream's own head is of the truth, takes from the gradient of the stream that leads, and adds
noise as wide as that gradient, because a smaller gradient alone would generalise less well. Sources: sections 3.2 and 3.3;
main.py of the authors' code. Where we deviate is said in `LAWS`.
"""

import math

import torch
from torch import nn
from torch.nn.utils import get_total_norm

from auxformer.config import Config
from auxformer.data.batch import Batch
from auxformer.data.split import ClipDataset
from auxformer.errors import InputError
from auxformer.models.auxformer import Logits
from auxformer.models.registry import Card, create_model
from auxformer.models.synchrony import check_both_streams
from auxformer.seeds import seed_of

STREAMS = ("audio", "video")

LAWS = {
    "ogm-ge": Card(
        source="Peng et al., CVPR 2022, on-the-fly gradient modulation with generalisation enhancement, and the authors' code",
        missing="A clip without both streams is not compared, and counts for nothing in the balance.",
        deviations="The scores are those of the model's own stream heads (theirs: halves of the fusion layer), so only models with "
        "a head per stream can take it: auxformer, decision-fusion, vavl, momke; every parameter of a stream takes part (theirs: "
        "kernels of convolutions), in every epoch; the stream that does not lead gets no noise either.",
    )
}
"""Laws of `training.balance` beside "none", with their cards."""


class Balance:
    """The law "none": no gradient is touched. Every law takes note of how long the gradient of each stream is.

    Args:
        names: "audio" and "video" -> names of the parameters that belong to the stream, see `stream_parameters`; {} where no
            parameter does.
    """

    def __init__(self, names: dict[str, list[str]]):
        self.names, self.seen = names, []

    def start(self, epoch: int, device) -> None:
        """Begin an epoch, whose random draws depend on its number alone."""
        self.seen = []

    def see(self, logits: Logits, batch: Batch) -> None:
        """Take note of what the heads said of a part of the batch."""

    def scale(self, network: nn.Module, accelerator) -> None:
        """Note the gradients of the whole batch, which are there now; a law may change them in place."""
        if self.names:
            parameters = dict(network.named_parameters())
            found = [[parameters[name].grad for name in self.names[stream]] for stream in STREAMS]
            lengths = [get_total_norm([x for x in gradients if x is not None]) for gradients in found]
            self.seen.append(torch.stack([length.to(next(network.parameters()).device) for length in lengths]))

    def norms(self) -> dict[str, float]:
        """ "gradient_audio" and "gradient_video": mean length, over the epoch's steps, of the gradient of the parameters that belong
        to the stream, before a law and before clipping. Read once an epoch: each reading makes a GPU wait."""
        if not self.seen:
            return {}
        return {f"gradient_{name}": value for name, value in zip(STREAMS, torch.stack(self.seen).mean(0).tolist())}


class OgmGe(Balance):
    """The law "ogm-ge".

    Args:
        alpha: α, how much is taken from the stream that leads.
        names: "audio" and "video" -> names of the parameters that belong to the stream, see `stream_parameters`.
        seed: Of the noise.
    """

    def __init__(self, alpha: float, names: dict[str, list[str]], seed: int = 0):
        super().__init__(names)
        self.alpha, self.seed = alpha, seed

    def start(self, epoch: int, device) -> None:
        """Begin an epoch, whose noise depends on the seed and its number alone: every process draws the same."""
        super().start(epoch, device)
        self.noise = torch.Generator(device).manual_seed(seed_of("balance", self.seed, epoch))
        self.scores = torch.zeros(2, device=device)

    def see(self, logits: Logits, batch: Batch) -> None:
        """Add up, over the clips that have both streams, the probability that each stream's head gives to the truth."""
        both = (batch.audio_present & batch.video_present).float()  # [B]
        heads = torch.stack([logits.a, logits.v]).detach().float().softmax(-1)  # [2, B, C]
        self.scores += ((heads * batch.target).sum(-1) * both).sum(1)

    def scale(self, network: nn.Module, accelerator) -> None:
        """The gradient of the stream that leads, times its coefficient, plus normal noise of that gradient's deviation."""
        super().scale(network, accelerator)
        audio, video = accelerator.reduce(self.scores, "sum").tolist()
        self.scores = torch.zeros_like(self.scores)
        parameters = dict(network.named_parameters())
        for stream, coefficient in zip(STREAMS, coefficients(audio, video, self.alpha)):
            for name in self.names[stream] if coefficient < 1 else ():
                gradient = parameters[name].grad
                if gradient is not None:
                    noise = torch.randn(gradient.shape, generator=self.noise, device=gradient.device)
                    noise *= gradient.std(correction=0)
                    gradient.mul_(coefficient).add_(noise)


def coefficients(audio: float, video: float, alpha: float) -> tuple[float, float]:
    """What the gradients of the two streams are multiplied by: equation 10 of the paper.

    1 - tanh(α·ρ) for the stream whose score is ρ > 1 times that of the other, 1 for the other; 1 for both where neither leads.

    Args:
        audio, video: Score of each stream over a batch, 0 or more.
        alpha: α, 0 or more.

    >>> [round(float(k), 3) for k in coefficients(3.0, 2.0, 0.5)]
    [0.365, 1.0]
    """
    least = 1e-8  # a head that is sure of something else has a score of 0
    ratio = max(audio, least) / max(video, least)
    held_back = 1 - math.tanh(alpha * max(ratio, 1 / ratio))
    return held_back if ratio > 1 else 1.0, held_back if ratio < 1 else 1.0


def stream_parameters(model: nn.Module, audio_dims: int, video_dims: int, classes: int) -> dict[str, list[str]]:
    """Names of the parameters that belong to a stream: those under its head that are not under the other stream's.

    Found by going backward from each head once. A head is a stream's own when it reads that stream and not the other one.

    Args:
        model: A network of the registry, which learns nothing from this; one with running statistics takes note of them.
        audio_dims, video_dims: Width of the feature vectors.
        classes: Number of classes C.

    Raises:
        InputError: when the model has no head of its own for each stream.
    """
    batch = _example(audio_dims, video_dims, classes)
    logits = model.train()(batch)
    names, parameters = zip(*model.named_parameters())
    under = []
    for head, own in ((logits.a, [True, False]), (logits.v, [False, True])):
        watched = [batch.audio, batch.video, *parameters]
        found = torch.autograd.grad(head.sum(), watched, retain_graph=True, allow_unused=True)
        reached = [gradient is not None for gradient in found]
        if reached[:2] != own:
            raise InputError(
                'training.balance "ogm-ge" compares the heads of the two streams; this model has none: take one that has '
                'them (auxformer, decision-fusion, vavl, momke) or balance "none".'
            )
        under.append({name for name, is_under in zip(names, reached[2:]) if is_under})
    audio, video = under
    return {"audio": [n for n in names if n in audio - video], "video": [n for n in names if n in video - audio]}


def create_balance(config: Config, train: ClipDataset) -> Balance:
    """The law that `config.training.balance` names, for a network that is trained on these clips.

    Raises:
        InputError: "ogm-ge" for attributes, for clips of which none has both streams, or for a model without stream heads.
    """
    law = config.training.balance
    if law == "none":
        try:
            return Balance(_stream_parameters_of(config, train))
        except InputError:  # without stream heads no parameter belongs to one stream alone
            return Balance({})
    if train.kind == "attributes":
        raise InputError(f'training.balance "{law}" compares probabilities; attributes have none: take balance "none".')
    check_both_streams(f'training.balance "{law}"', train, 'take balance "none"')
    return OgmGe(config.training.balance_alpha, _stream_parameters_of(config, train), config.training.seed)


def _stream_parameters_of(config: Config, train: ClipDataset) -> dict[str, list[str]]:
    shape = train.audio.dims, train.video.dims, len(train.classes)
    with torch.random.fork_rng(devices=[]):  # the draws of the training stay what they are
        return stream_parameters(create_model(config.model.name, config.model, *shape), *shape)


def _example(audio_dims: int, video_dims: int, classes: int) -> Batch:
    """Two clips of 32 random frames with both streams, which say how far gradients reach."""
    audio, video = (torch.randn(2, 32, dims).requires_grad_() for dims in (audio_dims, video_dims))
    mask, present = torch.ones(2, 32, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
    return Batch(audio, mask, video, mask, present, present, torch.full((2, classes), 1 / classes), ("one", "two"))
