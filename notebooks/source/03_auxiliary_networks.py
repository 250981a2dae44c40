# ---
# jupyter:
#   lesson:
#     number: 3
#     title: The auxiliary networks
#     question: What does each stream still know when fusion forgets it?
#     reading: 45
#     exercises: 32
#     seconds: 90
#     profiles: {full: {epochs: 30, width: 64, device: auto}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Lesson 3 · The auxiliary networks
#
# Beside its fusion transformer AuxFormer keeps two small networks that never see the other stream. They are meant for
# the case that a stream fails. This lesson takes them apart: what they share, what they learn, how they vote, and
# what goes wrong when a network without input votes all the same.
#
# **You will be able to**
#
# 1. train three heads at once and leave out a head whose stream is absent (check: `shared_loss`)
# 2. predict from the heads that have something to say (check: `predict_with_present_heads`)
# 3. make streams go missing during training, for each clip, never both (check: `modality_dropout`)
#
# **Before you start** [Lesson 1](01_features.ipynb) and [lesson 2](02_fusion_transformer.ipynb): what a batch, a mask and a
# stack are. Self-test: the logits (0, 0, 0) give a cross-entropy of $\ln 3 = 1.10$ whatever the right class is. If
# that is not obvious, read the first ten lines of
# [cross_entropy](https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).

# %% tags=["parameters"]
size = "course"
seed = 0
epochs = 4
width = 32
device = "cpu"

# %%
import numpy as np
import torch

import auxformer as af
from auxformer import plots
from auxformer.course import lab
from auxformer.course.checks import lesson3

lab.begin()
split = lab.open_splits(size, seed)
classes, dims = split.train.classes, (split.train.audio.dims, split.train.video.dims)
print("audio and video features:", dims, "| classes:", len(classes))

# %% [markdown]
# ## Three networks, one loss
#
# AuxFormer is three networks that are trained together (Goncalves & Busso 2022). The fusion network $f_{av}$ of
# lesson 2 sees both streams. The auxiliary networks see one each:
#
# $$f_a(x_a) = W\,(r_a + \mathrm{MLP}(r_a)), \quad r_a = \mathrm{summary}(\mathrm{stack}_a(x_a))$$
#
# $$f_v(x_v) = W\,(r_v + \mathrm{MLP}(r_v)), \quad r_v = \mathrm{summary}(\mathrm{stack}_v(x_v))$$
#
# where $x_a$ is the audio stream `[T, d]`, $\mathrm{stack}_a$ a self-attention stack of its own, $r_a$ one vector
# `[d]` per clip. In the code, `AuxFormer.auxiliary` goes from $x$ to $r$ and `AuxiliaryHead.forward` from $r$ to the
# logits. Two things are easily missed. $W$ and the MLP, the *head*, are **one and the same** for voice and face. And
# the published code runs the stack three times in a row with the same weights (`aux_passes = 3`).
#
# One loss trains all of it, $L = w_{av} L_{av} + w_a L_a + w_v L_v$. It is often said of such auxiliary losses that
# they keep the *fusion* network from neglecting a stream.
#
# **Predict.** What share of the fusion network's parameters (projections of its input included) does the audio loss
# $L_a$ move in the published network?

# %%
share_guess = lab.predict("share of the fusion network that the audio loss can move")

# %%
from auxformer.data.batch import collate

FUSION = ("conv_1d", "trans_", "proj", "out_layer")  # the parameters that the fusion network uses
few = collate([split.train[index] for index in range(4)])


def share_moved(name: str) -> float:
    """Share of the fusion network's parameters with a gradient from the audio loss alone."""
    torch.manual_seed(seed)
    model = af.create_model("auxformer", af.preset(name).model, *dims, len(classes)).eval()
    only_audio = model(few).a  # [B, C]
    torch.nn.functional.cross_entropy(only_audio, few.target).backward()
    fusion = [p for name, p in model.named_parameters() if name.startswith(FUSION)]
    moved = sum(p.numel() for p in fusion if p.grad is not None and p.grad.abs().max() > 0)
    return moved / sum(p.numel() for p in fusion)


published_share, our_share = share_moved("paper"), share_moved("default")
share_guess.against(published_share)
print(f"published, audio as it comes: {published_share:.3f} | ours: {our_share:.3f}")

# %% [markdown]
# None of it. The published network takes 130 audio features as they come, so that not even a projection is shared.
# Ours shares the projection of the audio stream, a few per cent. So $L_a$ trains a second opinion, almost separate
# from fusion. ($L_v$ reaches the projection of the face, in both networks.) Whether a second opinion helps is
# measured below.
#
# **By hand.** The residual $r + \mathrm{MLP}(r)$ means that the MLP only has to learn a *correction*. Take
# $r = (1, -2)$ and an MLP whose last layer is still zero: the head is then a plain linear classifier, $W r$. With the
# rows $(1, 0)$, $(0, 1)$, $(1, 1)$ of $W$ the logits are $(1, -2, -1)$.

# %%
from auxformer.models import AuxiliaryHead

head = AuxiliaryHead(width=2, hidden=(4, 3), classes=3, dropout=0.0)
with torch.no_grad():
    for parameter in head.proj_aux3.parameters():
        parameter.zero_()
    head.out_layer_aux.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
    head.out_layer_aux.bias.zero_()
    print("logits of r = (1, -2):", head(torch.tensor([[1.0, -2.0]])).tolist()[0])

# %% [markdown]
# **The loss by hand.** Three heads give the right class the probabilities 1/2, 1/4 and 1/8. Their cross-entropies are
# $\ln 2$, $2 \ln 2$ and $3 \ln 2$: .69, 1.39, 2.08. With weights of 1/3 the clip's loss is 1.39. If the clip has lost
# its *audio*, the middle term is left out: $(.69 + 2.08)/3 = .92$. Nothing is scaled up, so a clip with one stream
# counts less in the loss.

# %% [markdown] exercise="shared_loss" difficulty=3 importance=5 minutes=12
# ### Exercise 1 · One loss for three heads
# `logits.av`, `logits.a` and `logits.v` are `[B, C]`; `logits.weights` is `[B, 3]`, in the order fusion, audio, video,
# and 0 where a head's stream is absent. `target` is `[B, C]`, shares of votes that sum to 1. `loss_weights` is a tuple of
# three numbers. Return a scalar tensor that training can use: per clip the weighted sum of the three cross-entropies without those of absent heads, then the mean over the B clips.
#
# HINT You need the losses as a table of clips by heads before you may add anything up.
#
# HINT PyTorch's cross-entropy takes shares as targets, and its argument `reduction` keeps the clips apart.
#
# HINT Multiply the table by `logits.weights` and by the loss weights, add along the heads, average along the clips.


# %% exercise="shared_loss"
def shared_loss(logits: af.Logits, target: torch.Tensor, loss_weights) -> torch.Tensor:
    """Logits, target `[B, C]`, weights of (fusion, audio, video) -> loss, one number."""
    # SOLUTION
    per_head = [
        torch.nn.functional.cross_entropy(head, target, reduction="none") for head in logits[:3]
    ]
    table = torch.stack(per_head, 1) * logits.weights  # [B, 3]
    return (table * torch.tensor(loss_weights)).sum(1).mean()
    # END


# %%
lesson3.shared_loss(shared_loss)
by_hand = torch.tensor([[1 / 2, 1 / 2], [1 / 4, 3 / 4], [1 / 8, 7 / 8]]).log()  # [heads, classes]
for present in ([1.0, 1, 1], [1.0, 0, 1]):
    one_clip = af.Logits(*by_hand.unsqueeze(1), torch.tensor([present]))
    print(present, round(float(shared_loss(one_clip, torch.tensor([[1.0, 0]]), (1 / 3,) * 3)), 2))

# %% [markdown]
# **Where it goes wrong.** If absent heads count as well, their network gets zeros as input for clips of every class.
# From that it can only learn how *frequent* the classes are.
#
# > **Moral.** An auxiliary loss trains a head of its own. Leave out its term where the head's stream is absent.

# %% [markdown]
# ## Three votes
#
# At test time the prediction is the mean of the three logit vectors. **By hand**, two classes and a clip without
# audio:
#
# | head | logits |
# |---|---|
# | fusion | (2, 0) |
# | audio, given zeros | (0, 3) |
# | video | (0, 1) |
#
# **Predict.** Which class wins when all three vote, and which when the audio head does not vote?

# %%
all_guess = lab.predict(
    "the winner when all three vote, and when two do",
    choices=["first, first", "first, second", "second, first", "second, second"],
)

# %%
toy = af.Logits(
    torch.tensor([[2.0, 0]]),
    torch.tensor([[0.0, 3]]),
    torch.tensor([[0.0, 1]]),
    torch.tensor([[1.0, 0, 1]]),
)
print("three votes:", [round(x, 2) for x in ((toy.av + toy.a + toy.v) / 3).tolist()[0]])
print("two votes:  ", [round(x, 2) for x in ((toy.av + toy.v) / 2).tolist()[0]])

# %% [markdown] exercise="predict_with_present_heads" difficulty=2 importance=5 minutes=8
# ### Exercise 2 · Only witnesses vote
# Return the prediction `[B, C]`: for each clip the mean of the three logit vectors, weighted by the clip's row of
# `logits.weights` `[B, 3]`. Weights need not be 0 or 1, nor sum to 1; at least one is above 0.
#
# HINT Think of one clip first: three vectors of C numbers, three weights. What do the weights have to sum to?
#
# HINT Stack the heads to `[B, 3, C]`; a trailing axis on the weights makes them fit.
#
# HINT Divide each row of the weights by its sum (`keepdim=True`), multiply, add along the axis of the heads.


# %% exercise="predict_with_present_heads"
def predict_with_present_heads(logits: af.Logits) -> torch.Tensor:
    """Logits -> weighted mean of the heads, `[B, C]`."""
    # SOLUTION
    votes = torch.stack([logits.av, logits.a, logits.v], 1)  # [B, 3, C]
    voice_in_it = logits.weights / logits.weights.sum(1, keepdim=True)  # [B, 3]
    return (votes * voice_in_it.unsqueeze(-1)).sum(1)
    # END


# %%
lesson3.predict_with_present_heads(predict_with_present_heads)
print("the toy clip:", predict_with_present_heads(toy).tolist()[0])

# %% [markdown]
# The network of the course does the same in `Logits.mean`; its weights come from the flags `audio_present` and
# `video_present` of the batch. Why logits and not probabilities? A mean of logits is a geometric mean of
# probabilities, up to scale: lesson 0's product for combining cues, with a root that makes it more cautious.
#
# > **Moral.** The average over heads needs a flag for each stream: it says which heads to leave out.

# %% [markdown]
# ## Learning to lose a stream
#
# A network that never missed a stream in training may do badly when one is gone. *Modality dropout* takes streams
# away on purpose. The authors' code tosses one coin per **batch**: all 32 clips lose the same stream, or none does.
# We draw for each **clip**. The shares are the same in the long run, but not in a single step.
#
# **By hand.** One draw $u$ between 0 and 1 decides between three cases. With rates .2 and .2: below .2 the clip loses
# its audio, from .2 to .4 its video, above .4 nothing. Two separate coins would take *both* streams from one clip in
# 25.

# %% [markdown] exercise="modality_dropout" difficulty=3 importance=4 minutes=12
# ### Exercise 3 · Modality dropout
# Return a new batch in which each clip has lost its audio with probability `drop_audio`, or else its video with
# probability `drop_video` (both are shares of *all* clips), never both. A lost stream is zero and its flag,
# `audio_present` or `video_present` `[B]`, is False. A clip that comes with one stream only keeps it. Draw from
# `generator`; do not touch the batch you are given. `batch.audio` is `[B, Ta, Da]`, `batch.video` `[B, Tv, Dv]`.
#
# HINT One uniform number per clip is enough: cut the line from 0 to 1 into three pieces.
#
# HINT `masked_fill` returns a new tensor; a mask `[B]` needs two more axes to fit `[B, T, D]`. `~` negates a flag.
#
# HINT A Batch is a NamedTuple: `_replace` gives a copy with other fields. The audio of a clip may only go where its
# video is present, and the other way round.


# %% exercise="modality_dropout"
def modality_dropout(
    batch: af.Batch, drop_audio: float, drop_video: float, generator: torch.Generator
) -> af.Batch:
    """Batch -> batch in which some clips have lost one stream."""
    # SOLUTION
    u = torch.rand(len(batch.clips), generator=generator)  # [B]
    no_audio = (u < drop_audio) & batch.video_present
    no_video = (u >= drop_audio) & (u < drop_audio + drop_video) & batch.audio_present
    return batch._replace(
        audio=batch.audio.masked_fill(no_audio[:, None, None], 0.0),
        video=batch.video.masked_fill(no_video[:, None, None], 0.0),
        audio_present=batch.audio_present & ~no_audio,
        video_present=batch.video_present & ~no_video,
    )
    # END


# %%
lesson3.modality_dropout(modality_dropout)

# %% [markdown]
# Compare the two units over twelve training steps. Move the rates; then switch from clip to batch.


# %%
from auxformer.data import missing

batch = collate([split.train[index] for index in range(32)])


def fates(drop_audio: float, drop_video: float, unit: str, steps: int = 12) -> np.ndarray:
    """Shares of 32 clips `[steps, 3]` that stay complete, lose audio, lose video."""
    coins, shares = torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        if unit == "clip":
            dropped = modality_dropout(batch, drop_audio, drop_video, coins)  # yours
        else:
            dropped = missing.modality_dropout(batch, drop_audio, drop_video, "batch", coins)
        lost = [(~dropped.audio_present).float().mean(), (~dropped.video_present).float().mean()]
        shares.append([1 - float(sum(lost)), *map(float, lost)])
    return np.array(shares)


def draw_fates(drop_audio: float, drop_video: float, unit: str):
    """Twelve steps as stacked bars."""
    return plots.dropout_figure(fates(drop_audio, drop_video, unit), f"one draw per {unit}")


lab.explorer(
    draw_fates,
    alt="Stacked bars over twelve steps: share of clips complete, without audio, without video.",
    drop_audio=(0.0, 0.5, 0.2),
    drop_video=(0.0, 0.5, 0.2),
    unit=["clip", "batch"],
)
per_clip, per_batch = fates(0.2, 0.2, "clip"), fates(0.2, 0.2, "batch")
print("complete, no audio, no video, per clip: ", per_clip.mean(0).round(2).tolist())
print("complete, no audio, no video, per batch:", per_batch.mean(0).round(2).tolist())
lab.fact("per batch, every step is all or nothing", np.isin(per_batch.round(6), (0, 1)).all())
lab.fact("per clip, every step has clips of all three kinds", (per_clip > 0).all())

# %% [markdown]
# **See** that with a draw per clip each bar holds all three kinds, so that each gradient comes from all three. With a
# draw per batch each step sees one kind only. Which of them makes the better network is measured further down.
#
# > **Moral.** If a stream may be missing in use, let it be missing in training, too, and measure whether that helps.

# %% [markdown]
# ## What each stream still knows
#
# Now train. The network is small (`width` 32 in place of 64) and trains for a few epochs only, so do not take its
# scores for AuxFormer's; lesson 6 has those.
#
# **Predict.** What macro-F1 does the audio head reach on speakers it has never met? Chance is about 1/6, and the
# ideal observer of lesson 0, who knows what each voice shows, reaches about .5 without the picture.

# %%
voice_guess = lab.predict("macro-F1 of the audio head")


# %%
settings = {"width": width, "epochs": epochs, "seed": seed, "device": device}
run = lab.small_auxformer(split, **settings)

# %%
lab.show(
    plots.training_figure(run.metrics),
    alt="Over the epochs: loss on train and dev, dev scores by condition, gradient of each stream.",
)
lengths = run.metrics[["gradient_audio", "gradient_video"]]
times = lengths.gradient_video.mean() / lengths.gradient_audio.mean()
print(f"the face's gradient is about {times:.0f} times as long as the voice's")
lab.fact(
    "in every epoch the face moves its own weights more than the voice does",
    (lengths.gradient_video > lengths.gradient_audio).all(),
)

# %% [markdown]
# **See** the panel on the right. Both streams are trained at once, and the gradient of the face, which here gives the
# better scores, is the longer one. Methods such as OGM-GE slow down the leading stream
# (`--set training.balance=ogm-ge`). Now score each head by itself.

# %%
VOTES = {
    "fusion": lambda heads: heads.av,
    "audio": lambda heads: heads.a,
    "video": lambda heads: heads.v,
    "mean": predict_with_present_heads,  # yours
}


def score_heads(run):
    """Macro-F1 on the test speakers: heads by conditions, NaN where a head has no stream."""
    scores = lab.score_votes(run, split.test, VOTES)
    scores.loc["audio", "no-audio"] = scores.loc["video", "no-video"] = np.nan
    return scores


scores = score_heads(run)
voice_guess.against(round(5 * scores.complete["audio"]) / 5, digits=1)  # to the nearest fifth

# %% tags=["folded"]
lab.show(
    plots.heads_figure(scores, "three losses"),
    alt="Macro-F1 of fusion, audio, video heads and their mean: complete, no-audio, no-video.",
)
print("to the nearest fifth:")
print((5 * scores).round().div(5).to_string())
lab.fact(
    "on complete clips the video head beats the audio head",
    scores.complete["video"] > scores.complete["audio"],
)
lab.fact("the audio head alone is above chance (1/6)", scores.complete["audio"] > 1 / 6)
lab.fact("without video the mean is above chance", scores["no-video"]["mean"] > 1 / 6)
lab.fact("without audio the mean is above chance", scores["no-audio"]["mean"] > 1 / 6)
lab.fact(
    "a stream less costs: complete beats no-video",
    scores.complete["mean"] > scores["no-video"]["mean"],
)

# %% [markdown]
# **See** the gaps: a head whose stream is absent gives no answer. The dotted line is chance. On *complete*, fusion is
# far ahead of the audio head. Without the video this lead is gone, and the two score about the same. Whether the mean
# of both is better than fusion alone comes further down.

# %%
voice_only = scores["no-video"]
lab.fact(
    "on complete clips fusion leads the audio head by more than .2",
    scores.complete["fusion"] - scores.complete["audio"] > 0.2,
)
lab.fact(
    "without video that lead has shrunk to less than .1",
    voice_only["fusion"] - voice_only["audio"] < 0.1,
)
lab.fact(
    "the audio head itself does not notice that the video is gone",
    scores.complete["audio"] == voice_only["audio"],
)

# %% [markdown]
# **Without the auxiliary losses.** The same network, the same epochs, loss weights (1, 0, 0). **Predict.** What do
# its audio and video heads score? And what does the mean of the three, which is what the network answers?

# %%
silent_guess = lab.predict("macro-F1 of the audio head without its loss")

# %%
fusion_only = lab.small_auxformer(split, **settings, loss_weights=(1.0, 0.0, 0.0))
scores_alone = score_heads(fusion_only)
silent_guess.against(round(5 * scores_alone.complete["audio"]) / 5, digits=1)  # nearest fifth
lab.show(
    plots.heads_figure(scores_alone, "fusion loss only"),
    alt="The same bars without auxiliary losses: audio and video heads lie at or below chance.",
)
print("to the nearest fifth:")
print((5 * scores_alone).round().div(5).to_string())
for name in ("audio", "video"):
    lab.fact(
        f"without its loss the {name} head is at chance (below .25)",
        scores_alone.complete[name] < 0.25,
    )
lab.fact(
    "the audio loss taught the audio head something",
    scores.complete["audio"] > scores_alone.complete["audio"],
)

# %% [markdown]
# **See** how low the bars *audio* and *video* are: these two heads were never trained. **Where it goes wrong**: they
# vote all the same, since their streams are present. Here the mean scores about the same as fusion, but two of its
# three votes are empty. A weight of zero in the loss and a weight of one in the vote do not go together. To compare
# "with" and "without" auxiliary losses, take the heads out of the *prediction* as well.
#
# Compare the bars *fusion* of the two figures, too. They differ little, and one run of a small network cannot show
# which setting is *better*.
#
# > **Moral.** An auxiliary head that was not trained stays at chance. It must not vote.

# %% [markdown]
# ## Asked properly
#
# So we let the benchmark ask (`auxformer bench ablation`), with our default network, fifteen epochs, and the twelve
# test speakers of two partitions (divisions into training, dev and test speakers). Here are its results, with 95 %
# intervals and tests over speakers, both of which [lesson 6](06_benchmark.ipynb) explains:
#
# | row | what is changed |
# |---|---|
# | fusion-only | no auxiliary networks at all, in training or in the vote: the fair comparison |
# | fusion loss only | loss weights (1, 0, 0), but three heads vote: what you have just seen |
# | three losses, fusion answers | trained like AuxFormer, but the fusion head alone answers |
# | fusion loss half, small fusion loss | loss weights (.5, .25, .25) and (.1, .45, .45) |
# | no modality dropout | every training clip is complete |
# | dropout per batch | one coin for all clips of a step |
# | zeros for a flag | an absent stream is fed as zeros, and its head votes |
#
# **Predict.** Which change costs the most when the audio is missing?

# %%
ablation_guess = lab.predict(
    "the change that costs the most without audio",
    choices=["fusion-only", "no modality dropout", "dropout per batch", "zeros for a flag"],
)

# %%
table = lab.result_table("ablation")
f1 = table[(table.metric == "macro-f1") & ~table.system.str.startswith("human")]
f1 = f1.groupby(["system", "condition"], sort=False)[["value", "low", "high"]].mean()  # over seeds
tests = lab.result_table("ablation-tests")
tests = tests[tests.system_a == "auxformer"].set_index(["system_b", "condition"])
changes = [name for name in f1.index.unique(0) if name != "auxformer"]

# %% tags=["folded"]
lab.show(
    plots.changes_figure(f1, tests.p_corrected, changes),
    alt="Macro-F1 with intervals of eight changed AuxFormers, AuxFormer itself as a band.",
)
value = f1.value.unstack()[list(missing.CONDITIONS)]
differences = value.loc["auxformer"] - value.loc[changes]
print("you said:", ablation_guess.value, "| it is:", differences["no-audio"].idxmax())
print("\nAuxFormer minus the changed one:")
print(differences.round(3).to_string())
print("\np of the paired test below .05, and corrected for looking at all 36 pairs:")
for name, condition in tests.index[tests.p < 0.05]:
    row = tests.loc[(name, condition)]
    print(f"  {name}, {condition}: {row.p:.4f}, corrected {row.p_corrected:.3f}")

# %% [markdown]
# **See** the grey band, AuxFormer with its interval, and the two squares. *No modality dropout* loses
# .066<!-- ablation: auxformer - no modality dropout, complete --> on *complete* clips, where nothing is missing. A
# possible reason: when a stream is missing now and then, the network learns the other one better. Without audio it
# also loses the most, .053<!-- ablation: auxformer - no modality dropout, no-audio -->, but there the corrected test
# does not confirm it. The other square lies on the other side: with half of the loss on fusion the network scores
# higher from the voice alone, by .026<!-- ablation: fusion loss half - auxformer, no-video -->.
#
# Everything else is a circle. Five of these circles have a p below .05 before the correction for many tests. After it
# none has. A small fusion loss and zeros for a flag look worse by
# .05<!-- ablation: auxformer - small fusion loss, complete --> and
# .04<!-- ablation: auxformer - zeros for a flag, complete --> on complete clips, but twelve speakers are too few to
# confirm it. The auxiliary networks themselves gain .007<!-- ablation: auxformer - fusion-only, complete --> on
# complete clips, far from significant. (With thirty speakers and three seeds, they gain
# .014<!-- seeds: auxformer - fusion-only, no-video --> without video, p =
# .15<!-- seeds: auxformer ~ fusion-only, no-video -->, and nothing significant in the other two conditions either:
# `auxformer bench seeds`, in the README.) Whether the fusion head answers alone or the mean of three heads makes no
# significant difference here either. A difference that is not significant may still exist: it was not shown.
#
# > **Moral.** Change one part of a method at a time and test it. With few speakers, most differences stay open.

# %% [markdown]
# ## And on people?
#
# Puppets are drawn. RAVDESS is spoken by actors. We take its first twelve, eight emotions, and six folds that test
# two actors each (`auxformer bench ravdess-voice`). The voice is described by low-level descriptors and a pretrained
# encoder, the face by action units, averaged over the clip. The rival is not a network: logistic regression on
# statistics over the clip.
#
# **Predict.** Against it, where does AuxFormer stand?

# %%
people_guess = lab.predict(
    "AuxFormer against logistic regression, on actors",
    choices=["ahead throughout", "behind throughout", "ahead with both streams only"],
)

# %%
from auxformer.evaluation.tests import holm

people = lab.result_table("ravdess-voice")
people = people[people.metric == "macro-f1"].set_index(["system", "condition"])
people_tests = lab.result_table("ravdess-voice-tests").set_index("condition")[["p"]]
people_tests["corrected"] = holm(people_tests.p)  # for having asked three times
ahead = people.value["auxformer"] - people.value["functionals-lr"]
print("you said:", people_guess.value)
print(people.value.unstack()[list(missing.CONDITIONS)].round(3).to_string())
print("AuxFormer minus logistic regression, and the p of the test:")
for name in missing.CONDITIONS:
    print(f"  {name:<9}{ahead[name]:+.3f}   p {people_tests.p[name]:.3f}")
lab.fact(
    "with both streams AuxFormer is ahead (p corrected for three conditions)",
    ahead["complete"] > 0 and people_tests.corrected["complete"] < 0.05,
)
lab.fact(
    "with one stream neither p is below .05, even uncorrected",
    people_tests.p[["no-audio", "no-video"]].min() > 0.05,
)

# %% [markdown]
# With both streams AuxFormer is ahead. With one stream no difference is shown; that is not the same as being equal. Each
# fold trains on 480 clips of eight actors only. A network could learn them by heart, so each clip is varied in every
# epoch (`training.augment`): another speed, spans of frames and of features masked, two clips mixed. That recipe was
# chosen on dev speakers.
#
# > **Moral.** A result on puppets need not hold for people. Test it on people, and on enough of them.

# %% [markdown]
# ## Paper against code
#
# The code of a method decides what it does. These are some switches between the authors' code and ours, each with its
# name in the config:
#
# | what | published | ours | setting |
# |---|---|---|---|
# | padded frames | attended like real ones | masked | `padding` |
# | a clip's summary | last frame, even if padding | mean of valid frames | `summary` |
# | absent stream | zeros; its head votes | flag; its head is silent | `absent` |
# | passes of an auxiliary stack | 3, tied weights | 1 | `aux_passes` |
# | modality dropout | a coin per batch | a draw per clip | `drop_unit` |
# | on dev | the same random dropout | none | `drop_on_dev` |
#
# We look at three of them. For the first two the weights can be random.
#
# **Padding.** Clips of a batch are padded to the longest. **Predict.** Does the answer to a clip depend on *which
# other clips* are in its batch?

# %%
company_guess = lab.predict(
    "a clip's prediction depends on the other clips of its batch",
    choices=["in both", "in the published one", "in ours", "in neither"],
)


# %%
def random_network(name: str) -> torch.nn.Module:
    """A small network with the switches of a preset and random weights."""
    small = {"width": 20, "layers": 2, "aux_hidden": (32, 16)}
    if name == "default":
        small["heads"] = 10
    torch.manual_seed(seed)
    shape = af.override(af.preset(name), {"model": small}).model
    return af.create_model("auxformer", shape, *dims, len(classes)).eval()


shortest, longest = split.test.lengths.argmin(), split.test.lengths.argmax()
alone = collate([split.test[shortest]])
in_company = collate([split.test[shortest], split.test[longest]])
networks = {"published": random_network("paper"), "ours": random_network("default")}
with torch.no_grad():
    for name, network in networks.items():
        change = (network(alone).mean()[0] - network(in_company).mean()[0]).abs().max()
        changed = name == "published"
        says = "changes the logits" if changed else "leaves the logits as they are"
        lab.fact(f"{name}: a longer neighbour {says}", (change > 1e-3) == changed)

# %% [markdown]
# With the published switches it does. There is no mask, so the zeros behind the short clip are attended, and its
# summary is the last frame of the padded clip. The scores then depend on the batch size and on how the test clips are
# sorted.
#
# **Zeros.** With zeros for "absent", the audio network gets the same input for every clip, which is not what silence
# looks like. What does it answer?

# %%
from auxformer.data.batch import eval_batches

batch = next(eval_batches(split.test))
with torch.no_grad():
    for name, network in networks.items():
        logits = network(missing.apply_condition(batch, "no-audio"))
        spread = (logits.a - logits.a[:1]).abs().max()
        print(f"{name}: {len(batch.clips)} clips without audio")
        lab.fact("  the audio head says the same of every clip", spread < 1e-4)
        votes = int(name == "published")
        says = "and votes on every clip" if votes else "and has no vote"
        lab.fact(f"  {says}", (logits.weights[:, 1] == votes).all())

# %% [markdown]
# The same vector for every clip. A constant cannot tell clips apart. It can only shift every answer towards the same
# class, and weaken what the other heads say. With the flag it does no harm: the head has no vote.
#
# **Luck on dev.** The published code drops modalities on the dev set as well, anew in each epoch, and keeps the
# checkpoint with the lowest dev loss. We take *one* set of weights, our trained network, and compute its dev loss as
# if in four epochs.


# %%
@torch.no_grad()
def dev_loss(drop_on_dev: bool, epoch: int) -> float:
    """Your loss, mean over the dev clips, whose streams are dropped as the published code does."""
    coins, total = torch.Generator().manual_seed(epoch), 0.0
    for part in eval_batches(split.dev):
        if drop_on_dev:
            part = missing.modality_dropout(part, 0.2, 0.2, "batch", coins)
        loss = shared_loss(run.model(part), part.target, (1 / 3, 1 / 3, 1 / 3))
        total += float(loss) * len(part.clips)
    return total / len(split.dev)


for name, drop_on_dev in (("dropout on dev", True), ("no dropout on dev", False)):
    different = len({round(dev_loss(drop_on_dev, epoch), 4) for epoch in range(4)})
    print(f"{name}: same weights, four epochs, {different} different losses")

# %% [markdown]
# The weights did not change, but the loss did. So a checkpoint may be kept only because of a lucky draw.
#
# > **Moral.** Check what else a score depends on: the other clips of the batch, a constant vote, a random draw.

# %% [markdown]
# ## What to take away
#
# - The auxiliary networks share a head with each other, and with the fusion network at most the projections. Their
#   losses mainly train a second and a third opinion.
# - An absent stream needs a *flag*. Without one its head learns class frequencies and votes with a constant.
# - Without modality dropout the network lost .066<!-- ablation: auxformer - no modality dropout, complete --> on
#   complete clips; its losses without audio or video were not significant. Whether it draws per clip or per batch
#   made no significant difference.
# - Loss weights and votes belong together: a head that was not trained must not vote.
# - Padding without a mask and dropout on dev make scores depend on things that are no part of the model.

# %% [markdown]
# ## Five questions
#
# QUESTION Why is the score of the audio head the same for *complete* and *no-video*?
#
# ANSWER Its network sees nothing but the audio stream, so removing the video cannot change its logits.
#
# QUESTION The head $W(r + \mathrm{MLP}(r))$ is shared by voice and face. What does that force on $r_a$ and $r_v$?
#
# ANSWER They must share one space: an angry voice and an angry face have to come out in regions that the same head
# calls angry. The two stacks have to map into it.
#
# QUESTION With weights 1/3 each, a clip without audio contributes two terms. Why not scale them up to weigh as much
# as a complete clip?
#
# ANSWER One could. Then $L_{av}$ and $L_v$ would count more on incomplete clips than on complete ones. Left as it is,
# each head weighs the same on every clip it is present for.
#
# QUESTION A colleague sets the auxiliary loss weights to zero, keeps the average of three heads, and reports what the
# auxiliary losses gain. What was measured?
#
# ANSWER Two things at once: the lack of the losses, and two untrained heads in the vote. A fair comparison predicts
# with the fusion head alone.
#
# QUESTION The audio head fed zeros gives a constant. Can a constant vote change an answer?
#
# ANSWER Yes. Added to the logits of every clip it moves the border between classes: close decisions go to the class
# it favours. It cannot make any two clips easier to tell apart.

# %% [markdown]
# ## Read next
#
# - Goncalves & Busso 2022, *AuxFormer: Robust approach to audiovisual emotion recognition* (ICASSP), section 2: the
#   auxiliary networks and the shared loss in the authors' words.
# - Neverova et al. 2016, *ModDrop: adaptive multi-modal gesture recognition*: an early study of dropping whole
#   modalities, with the reasons.
# - Wang, Tran & Feiszli 2020, *What makes training multi-modal classification networks hard?* (CVPR): why two streams
#   trained together may do worse than one, and how unimodal losses help.
#
# Lesson 5 comes back to missing streams with intervals; next, [lesson 4](04_gpu_training.ipynb)
# asks where the time goes.

# %% tags=["nbval-ignore-output"] reason="seconds and library versions belong to the machine"
lab.versions(seed)
