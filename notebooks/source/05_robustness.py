# ---
# jupyter:
#   lesson:
#     number: 5
#     title: Robustness to missing modalities
#     question: What is left when a stream fails, and is it all that could be left?
#     reading: 45
#     exercises: 36
#     seconds: 200
#     profiles: {full: {epochs: 15, width: 64, device: auto}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Lesson 5 · Robustness to missing modalities
#
# Microphones are switched off, faces turn away, networks drop packets. This lesson takes streams away, piece by piece,
# and asks two things each time: what is left, and is it all that *could* be left? Two yardsticks answer the second:
# people who heard or saw as little, and the ideal observer, who knows what the puppets show.
#
# **You will be able to**
#
# 1. lose frames of a clip and say so to whoever reads it (check: `lose_frames`)
# 2. put a whole degradation curve into one number (check: `area_under_curve`)
# 3. find a system that grows surer when it is given less (check: `rising_share`)
# 4. change how sure a system is without changing what it says, and measure what that costs (check: `vote_of_three`)
#
# **Before you start** [Lesson 0](00_orientation.ipynb): macro-F1, ceilings. [Lesson 3](03_auxiliary_networks.ipynb): the
# three heads, flags and modality dropout. Self-test: a clip's mask is `[True, True, False, False]` and its features are
# 2, 4, 0, 0. What is its mean? (3. The zeros are padding and nobody's business.)

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
from auxformer.course import lab
from auxformer.course.checks import lesson5
from auxformer.data.missing import CONDITIONS, PROTOCOL, apply_condition, frame_conditions

lab.begin()
split = lab.open_splits(size, seed)
corpus, classes = split.task.corpus, split.task.classes
test, puppets = len(split.test), len(split.partition.test)
print(f"{test} test clips of {puppets} puppets; {len(PROTOCOL)} conditions")

# %% [markdown]
# ## Half of everything
#
# The small AuxFormer of lesson 3 is trained once, or read back where it was trained before. Then we test it on puppets
# that it has never met, and throw away *half of all frames*, of the voice and of the picture, each frame by a coin of
# its own.
#
# **Predict.** Macro-F1 on complete clips is about .9. And with half of the frames?

# %%
half_guess = lab.predict("macro-F1 with half of all frames lost, one by one")

# %%
run = lab.small_auxformer(split, width, epochs, seed, device)
flags = run.predict(split.test, conditions="all")
f1 = {"flags": lab.scores(flags)}
half = f1["flags"].value["both-frames-0.5"]
half_guess.against(round(20 * half) / 20)  # to the nearest .05
lab.fact("within .04 of the complete score", abs(half - f1["flags"].value["complete"]) < 0.04)

# %% [markdown]
# Hardly anything changes. Our reading: neighbouring frames say nearly the same, a hundred frames per second are more
# than a sentence needs, and the network averages over them.
#
# **By hand.** A clip of four frames with one feature, 2, 4, 6, 8; its mean is 5.
#
# | lost | mean of what is left | mean with zeros in place of the lost |
# |---|---|---|
# | second and fourth | 4 | 2 |
# | first and second | 7 | 3.5 |
#
# A *masked* mean divides by the frames that are left, a *zeroed* one by all of them. Frames lost here and there leave
# the masked mean near 5. Frames lost in one gap do not: what is left is another part of the clip.

# %%
clip = torch.tensor([2.0, 4, 6, 8])
for lost in ([1, 3], [0, 1]):
    left = torch.ones(4)
    left[lost] = 0
    masked, zeroed = (clip * left).sum() / left.sum(), (clip * left).mean()
    print("lost", lost, "| masked mean", masked.item(), "| zeroed mean", zeroed.item())

# %% [markdown] exercise="lose_frames" difficulty=2 importance=5 minutes=10
# ### Exercise 1 · Lose frames, and say so
# `features` `[B, T, D]`, `mask` `[B, T]` bool (True = a real frame), `coins` `[B, T]` between 0 and 1, one for every
# frame. A frame is lost where its coin is below `share`. Return three new tensors: the features, zero where a frame is
# lost; the mask of the frames that are left; `present` `[B]` bool, False for a clip that has no frame left. Padding
# stays padding. Leave what you are given as it is.
#
# HINT Which frames are left? Those that were there before *and* whose coin is not below the share.
#
# HINT `&` joins two bool tensors, `~` negates one; `masked_fill` returns a new tensor.
#
# HINT A mask `[B, T]` needs one more axis to fit features `[B, T, D]`: `unsqueeze(-1)`. Whether *any* frame of a clip is
# left is a question along the axis of the frames.


# %% exercise="lose_frames"
def lose_frames(features: torch.Tensor, mask: torch.Tensor, coins: torch.Tensor, share: float):
    """Features `[B, T, D]`, mask and coins `[B, T]` -> features, mask, present `[B]`."""
    # SOLUTION
    kept = mask & (coins >= share)  # [B, T]
    emptied = features.masked_fill(~kept.unsqueeze(-1), 0.0)
    return emptied, kept, kept.any(1)
    # END


# %%
lesson5.lose_frames(lose_frames)

# %% [markdown]
# The third result is easily forgotten. A clip that lost all of its frames has no stream any more. Without the flag the
# head of that stream would still vote (lesson 3). The package's `missing.lose_frames` draws its coins from the clip's
# name and the condition, so that every system loses the very same frames.
#
# > **Moral.** Frames are not all alike. Ask *which* frames are left before you ask how many are gone.

# %% [markdown]
# ## The curve, and what stands beside it
#
# One condition says little. The protocol loses 10, 30, 50, 70 and 90 % of the frames of the voice, of the picture, or
# of both: singly, in one *gap* cut out, or all but one *window*. With each whole stream and the complete clip that
# makes 48 conditions. Four systems see them:
#
# - *flags*: our small AuxFormer, which is told by masks and flags what is gone.
# - *zeros*: the same network, trained with zeros for absent streams, and *not told*: lost frames arrive as zeros that
#   claim to be frames. This is how the published code sees a missing stream.
# - *functionals*: lesson 0's logistic regression over statistics of the frames that are left; one for each set of
#   streams.
# - *ideal observer*: knows which class voice and face show, however few frames are left, as long as there is a stream.
#
# And people, as often as we have them: a crowd that only heard (no video), a crowd that only saw (no audio), and one
# rater who did both, judged by the majority of the *others*.
#
# **Predict.** 90 % of the *video* frames are lost, one by one. By how much does being told help?

# %%
told_guess = lab.predict("macro-F1 of flags less that of zeros, 90 % of the video lost")


# %%
from auxformer.evaluation.people import human_rows


def untold(batch: af.Batch, condition: str) -> af.Batch:
    """The same loss, but masks and flags are those of the complete batch."""
    told = {name: getattr(batch, name) for name in ("audio_mask", "video_mask")}
    told |= {name: getattr(batch, name) for name in ("audio_present", "video_present")}
    return apply_condition(batch, condition)._replace(**told)


zeros_run = lab.small_auxformer(split, width, epochs, seed, device, absent="zeros")
singly = ["basic", "audio-frames", "video-frames", "both-frames"]
gaps = [name for name in PROTOCOL if name.endswith("-gap")]
zeros = zeros_run.predict(split.test, [*singly, *gaps], change=untold)
functionals = lab.reference("functionals-lr", split, singly)
ideal = lab.reference("ideal-observer", split)
f1 |= {"zeros": lab.scores(zeros), "functionals": lab.scores(functionals)}
f1["ideal"] = lab.scores(ideal)

people = human_rows(corpus, "audiovisual", "majority", speakers=split.partition.test)
people = people[people.metric == "macro-f1"].set_index(["system", "condition"]).value
crowd = {name: people["human-crowd", name] for name in ("no-audio", "no-video")}
beside = {**crowd, "complete": people["human-rater-others", "complete"]}
gain = f1["flags"].value["video-frames-0.9"] - f1["zeros"].value["video-frames-0.9"]
told_guess.against(round(5 * gain) / 5, digits=1)  # to the nearest fifth

# %% tags=["folded"]
import matplotlib.pyplot as plt
import pandas as pd

from auxformer import media, plots


def draw_curves(systems, kind: str = "single"):
    """Three panels: audio, video, both."""
    figure, axes = plt.subplots(1, 3, figsize=(9.8, 3.6), sharey=True)
    shown = {name: f1[name] for name in (*systems, "ideal")}
    for axis, stream in zip(axes, ("audio", "video", "both")):
        plots.draw_degradation(axis, shown, stream, kind, beside)
    axes[0].set_ylabel("macro-F1")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


lab.show(
    draw_curves(("flags", "zeros", "functionals")),
    alt="Macro-F1 against frames lost singly: flags stay flat, zeros fall steeply beyond half.",
)
at = {name: table.value for name, table in f1.items()}
lab.fact(
    "told: 90 % of the audio frames cost less than .06",
    at["flags"]["complete"] - at["flags"]["audio-frames-0.9"] < 0.06,
)
lab.fact(
    "told: 90 % of the video frames cost less than .12",
    at["flags"]["complete"] - at["flags"]["video-frames-0.9"] < 0.12,
)
lab.fact(
    "not told: they cost more than .2",
    at["zeros"]["complete"] - at["zeros"]["video-frames-0.9"] > 0.2,
)
lab.fact(
    "the face alone: flags within .05 of the crowd that only saw",
    abs(at["flags"]["no-audio"] - crowd["no-audio"]) < 0.05,
)
lab.fact(
    "the voice alone: flags .05 or more below the crowd that only heard",
    at["flags"]["no-video"] < crowd["no-video"] - 0.05,
)

# %% [markdown]
# **See** the blue line, nearly level up to 70 %. The orange one falls steeply beyond that in *video* and *both*, and
# little in *audio*: the same clips and the same losses. A masked mean stays near the mean of the clip; a mean with
# zeros shrinks towards the mean of all clips. The green line, no network but told as well, starts lower and falls less
# than the orange one. At the right edge of the first two panels the stream is *gone* and only the other is left. With
# the face alone the network is level with the crowd that only saw; with the voice alone it is .05 or more below the
# crowd that only heard.
#
# Blue and orange differ in two things. One network was *trained* with flags, the other with zeros; and one was *told* when
# it was tested, the other was not. Which of the two makes the difference? Both can be crossed: each network can be told or
# not.

# %%
lossy = "video-frames-0.9"
crossed = pd.DataFrame(
    {
        "trained with flags": {
            "told": at["flags"][lossy],
            "not told": lab.scores(run.predict(split.test, lossy, change=untold)).value[lossy],
        },
        "trained with zeros": {
            "told": lab.scores(zeros_run.predict(split.test, lossy)).value[lossy],
            "not told": at["zeros"][lossy],
        },
    }
)
telling, training = crossed.loc["told"] - crossed.loc["not told"], crossed.diff(axis=1).iloc[:, 1]
lab.fact("being told is worth more than .2 to either network", (telling > 0.2).all())
lab.fact("how it was trained makes less than .06", (training.abs() < 0.06).all())

# %% tags=["nbval-ignore-output"] reason="the digits of trained networks differ between machines"
print("macro-F1, 90 % of the video lost singly:")
print(crossed.round(2).to_string())

# %% [markdown]
# Telling makes nearly all of the difference. A network that was trained with zeros for absent streams can use a mask as
# well. So pass the mask on when frames are lost; nothing has to be trained for it.
#
# Numbers are easier to compare than curves. The **area** under the curve, divided by the width of its range, is the
# mean score over the range. **By hand.** Scores .9, .8 and .2 at shares 0, .5 and .9: trapezia of $.5 \cdot (.9 + .8)/2
# = .425$ and $.4 \cdot (.8 + .2)/2 = .2$, together .625; divided by .9 that is .69. The mean of the three scores, .63,
# is another number, since the shares are not equally far apart.

# %% [markdown] exercise="area_under_curve" difficulty=2 importance=4 minutes=8
# ### Exercise 2 · A curve as a number
# `shares` `[K]`, ascending, not necessarily from 0 nor evenly spaced; `scores` `[K]`, or `[K, R]` for R draws of a
# bootstrap at once. Return the area under the straight pieces, divided by the width of the range: a number, or `[R]`.
#
# HINT Between two neighbouring points the curve is a straight line. What is its mean height there?
#
# HINT `np.diff` gives the widths; slices from the second and up to the last but one put neighbours side by side.
#
# HINT NumPy has the trapezium rule ready, `np.trapezoid`. Mind on which *axis* the shares lie when there are draws.


# %% exercise="area_under_curve"
def area_under_curve(shares: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Shares `[K]`, scores `[K]` or `[K, R]` -> mean height of the curve, one number or `[R]`."""
    # SOLUTION
    area = np.trapezoid(scores, shares, axis=0)
    return area / (shares[-1] - shares[0])
    # END


# %%
lesson5.area_under_curve(area_under_curve)

# %% [markdown]
# The package adds intervals over speakers to the number that you compute.

# %%
from auxformer.evaluation.robustness import curve_area

areas = {
    name: curve_area(table, classes) for name, table in {"flags": flags, "zeros": zeros}.items()
}
areas = pd.concat(areas, names=["system"]).reset_index("system")
areas = areas.set_index(["kind", "stream", "system"])[["value", "low", "high"]]


def area_of(system: str, stream: str) -> float:
    """The area under one of our curves, frames lost singly, by your function."""
    names = {0: "complete", **frame_conditions(stream)}
    return area_under_curve(
        np.array(list(names)), f1[system].value[list(names.values())].to_numpy()
    )


mine = area_of("flags", "video")
lab.fact("your area is the package's", abs(mine - areas.value["single", "video", "flags"]) < 1e-6)
for stream in ("video", "both"):
    lead = areas.low["single", stream, "flags"] - area_of("zeros", stream)
    lab.fact(f"{stream}, singly: the area of zeros lies below the interval of flags", lead > 0)

# %% tags=["nbval-ignore-output"] reason="the digits of trained networks differ between machines"
print(areas.sort_index().round(2).to_string())

# %% [markdown]
# **In one piece.** The same shares, lost in a single gap. **Predict.** 90 % of the *audio* lost in one gap: a quarter
# of a second of sound is left, and the whole picture. Better or worse than no voice at all?

# %%
scrap_guess = lab.predict(
    "a scrap of voice, against no voice",
    choices=["better", "the same", "worse"],
)

# %% tags=["folded"]
lab.show(
    draw_curves(("flags", "zeros"), "gap"),
    alt="Macro-F1 against frames lost in one gap: curves fall below where a stream is gone.",
)
print("you said:", scrap_guess.value)
for stream in ("audio", "video"):
    scrap, without_it = at["flags"][f"{stream}-frames-0.9-gap"], at["flags"][f"no-{stream}"]
    lab.fact(
        f"flags: a tenth of the {stream}, with a gap in the middle, "
        "is worse than none by .05 or more",
        scrap < without_it - 0.05,
    )
lab.fact(
    "audio: here zeros lose less than flags",
    at["zeros"]["audio-frames-0.9-gap"] > at["flags"]["audio-frames-0.9-gap"],
)
lab.fact(
    "both streams, 90 % in one gap: flags are below .25", at["flags"]["both-frames-0.9-gap"] < 0.25
)

# %% [markdown]
# **See** the hooks in the first two panels: the blue curves fall *below* their own right ends. The network does better
# with nothing than with a scrap. It looks as if a network needed frames from the whole clip. Before we believe that,
# look at *what* a gap of 90 % spares: the two ends of the clip. A puppet begins and ends at rest and in silence.
#
# The other way round: keep *one window* of a tenth, anywhere in the clip, and lose the rest. As many frames are left, and as
# long in one piece. **Predict.** Where will a tenth of the video, in one window, end up?

# %%
window_guess = lab.predict(
    "a window of a tenth of the video, against no video",
    choices=["better", "the same", "worse"],
)

# %% tags=["folded"]
from auxformer.data.batch import eval_batches

lab.show(
    draw_curves(("flags",), "window"),
    alt="Macro-F1 against frames lost around one window: curves fall slowly, not below their ends.",
)
print("you said:", window_guess.value)
window = {stream: at["flags"][f"{stream}-frames-0.9-window"] for stream in ("audio", "video")}
lab.fact(
    "a window of video is better than none by .1 or more",
    window["video"] > at["flags"]["no-video"] + 0.1,
)
lab.fact(
    "a window of audio is within .08 of none", abs(window["audio"] - at["flags"]["no-audio"]) < 0.08
)
for stream in ("audio", "video"):
    spared = at["flags"][f"{stream}-frames-0.9-gap"]
    lab.fact(
        f"{stream}: a window is better than what a gap spares by .05 or more",
        window[stream] > spared + 0.05,
    )


def voiced_share(condition: str) -> float:
    """Share of the test clips with a voiced frame left. Feature 0 is the pitch, lowest in rest."""
    voiced = []
    for batch in eval_batches(split.test):
        pitch = batch.audio[..., 0]  # [B, Ta]
        unvoiced = pitch[batch.audio_mask].min()
        left = apply_condition(batch, condition).audio_mask
        voiced.append(((pitch > unvoiced + 1e-3) & left).any(1))
    return torch.cat(voiced).float().mean().item()


heard = {kind: voiced_share(f"audio-frames-0.9-{kind}") for kind in ("gap", "window")}
print(f"clips of which some voice is left: gap {heard['gap']:.0%}, window {heard['window']:.0%}")

# %% [markdown]
# **See** that the hooks are gone, but for a slight one in the voice. After a gap of 90 % nine clips in ten have no
# voiced frame left: the network was not given a tenth of the voice but the silence around it. What matters is not how
# much is left, but *what* is left.
#
# Can one know that without looking at the frames? The obvious remedy counts: throw a stream away if less than a fifth
# of it is left and the other one is there. The network itself does not change.


# %%
from auxformer.data import missing


def without_scraps(batch: af.Batch, condition: str, least: float = 0.2) -> af.Batch:
    """A stream of which less than `least` is left goes as a whole, if the other one stays."""
    lossy = apply_condition(batch, condition)
    left = [
        getattr(lossy, name).sum(1) / getattr(batch, name).sum(1)
        for name in ("audio_mask", "video_mask")
    ]
    audio_goes, video_goes = left[0] < least, left[1] < least  # [B] each
    return missing.without(lossy, audio_goes & ~video_goes, video_goes & ~audio_goes)


scraps = [
    f"{stream}-frames-0.9-{kind}" for kind in ("gap", "window") for stream in ("audio", "video")
]
for name, dataset in (("dev", split.dev), ("test", split.test)):
    as_it_comes = lab.scores(run.predict(dataset, scraps)).value
    discarded = lab.scores(run.predict(dataset, scraps, change=without_scraps)).value
    gain = discarded - as_it_comes
    lab.fact(
        f"{name}: after a gap it is better to throw the rest away",
        (gain.filter(like="-gap") > 0).all(),
    )
    lab.fact(
        f"{name}: a window of video is better kept, by .1 or more",
        gain["video-frames-0.9-window"] < -0.1,
    )

# %% [markdown]
# Counting helps after a gap and hurts with a window of video, though both leave a tenth. No threshold on *how many*
# frames are left can be right for both, since it does not see *which*. A system that decides would have to look at the
# frames.
#
# > **Moral.** A condition's name does not say what is left. Look at what the system was given before you explain its score.

# %% [markdown]
# **Data or model?** Compare what AuxFormer loses with what the ideal observer *must* lose, since the answer was in the
# stream that is gone.

# %%
from auxformer.evaluation.robustness import relative_robustness

table = pd.DataFrame(
    {name: at[name][list(CONDITIONS)] for name in ("ideal", "flags", "functionals")}
)
table["crowd"] = pd.Series(crowd)
loss = table.loc["complete"] - table  # what each loses against its own complete score
kept = relative_robustness(flags[flags.condition.isin(CONDITIONS)], classes).set_index("condition")
for condition in ("no-audio", "no-video"):
    must = loss["ideal"][condition]
    gap = (table["ideal"] - table["flags"])[condition]
    lab.fact(f"{condition}: the ideal observer must lose at least .12", must > 0.12)
    lab.fact(f"{condition}: AuxFormer loses no more than that", loss["flags"][condition] < must)
    lab.fact(f"{condition}: it stands less than .17 below the ideal observer", gap < 0.17)
lab.fact(
    "without video it keeps less of its score", kept.value["no-video"] < kept.value["no-audio"]
)
lab.fact(
    "the crowd is within .05 of the ideal observer",
    (table["ideal"] - table["crowd"]).abs().max() < 0.05,
)

# %% tags=["nbval-ignore-output"] reason="the digits of trained networks differ between machines"
print(table.round(2).to_string(na_rep="-"))
print("share of the complete score that flags keep:")
print(kept.round(2).to_string())

# %% [markdown]
# The voice of a puppet, like that of a person, does not carry all: half of the ideal observer's score goes with the
# face, and no training brings it back. What *is* the model's: the gap to the ideal observer *within* a condition, and
# that gap is there with complete clips as well. "It drops to half without video" therefore says nothing about a network
# until one knows what the voice can give.
#
# > **Moral.** Subtract what nobody could have kept. The rest of the loss is the model's.

# %% [markdown]
# ## Lose them yourself
#
# Here a clip loses its picture or sound frame by frame. You see what the network answers, and the place on the curve.
# What is lost at a small share stays lost at a larger one. Look for the share at which the answer changes; then switch
# from *singly* to *gap* and to *window*.

# %% tags=["folded"]
from auxformer.data.batch import collate, seed_of

shown = corpus.truth.loc[sorted(split.test.clips)]
frightened = (shown.voice == "neutral") & (shown.face == "fear")
chosen = shown.index[frightened.to_numpy()][0]
item = collate([split.test[split.test.clips.index(chosen)]])
frames, times = media.read_frames(corpus.clips.video[chosen])
waveform = media.read_audio(corpus.clips.audio[chosen], 16000)
said = classes[int(item.target.argmax())]
print("voice shows", shown.voice[chosen], "| face shows", shown.face[chosen], "| raters:", said)


def lose_stream(batch: af.Batch, stream: str, share: float, kind: str) -> af.Batch:
    """Frames lost in one piece by the package, singly by your function and the package's coins."""
    if kind != "single" or share == 0:
        return missing.lose_frames(batch, stream, share, kind, "darkness")
    features, mask = getattr(batch, stream), getattr(batch, f"{stream}_mask")
    rng = np.random.default_rng(seed_of("condition", "darkness", stream, chosen))
    coins = torch.from_numpy(rng.random(mask.shape))  # [1, T]
    features, mask, left = lose_frames(features, mask, coins, share)
    changes = {stream: features, f"{stream}_mask": mask, f"{stream}_present": left}
    return batch._replace(**changes)


@torch.no_grad()
def lossy_answer(stream: str, share: float, kind: str = "single") -> tuple[af.Batch, np.ndarray]:
    """The clip after its loss, and the posterior `[C]`."""
    batch = item
    for name in ("audio", "video") if stream == "both" else (stream,):
        batch = lose_stream(batch, name, share, kind)
    return batch, run.model(batch).mean().softmax(-1)[0].numpy()


# %% tags=["folded"]
def draw_loss(share: float, stream: str, how: str):
    """Frames and waveform with their gaps, the posterior, the curve."""
    kind = "single" if how == "singly" else how
    batch, posterior = lossy_answer(stream, share, kind)
    figure, axes = plt.subplots(2, 2, figsize=(9.4, 4.2), width_ratios=(1.35, 1))
    there = batch.video_mask[0, item.video_mask[0]].numpy()  # [Tv]
    places = np.linspace(0, len(there) - 1, len(frames)).round().astype(int)
    dimmed = np.where(there[places][:, None, None, None], frames, frames // 6)
    plots.draw_frames(axes[0, 0], dimmed, 10, times)
    strip = axes[0, 0].inset_axes((0, -1.1, 1, 0.35))  # every frame: white is left, black is lost
    strip.imshow(there[None], aspect="auto", cmap="gray", vmin=0, vmax=1)
    strip.set(xticks=[], yticks=[])
    strip.spines[:].set_visible(True)
    axes[0, 0].set_title(f"video: {there.mean():.0%} of the frames left")
    heard = batch.audio_mask[0, item.audio_mask[0]].numpy()  # [Ta]
    places = np.linspace(0, len(heard) - 1, len(waveform)).round().astype(int)
    plots.draw_waveform(axes[1, 0], waveform * heard[places], 16000)
    axes[1, 0].set_title(f"audio: {heard.mean():.0%} of the frames left")
    for place, name in enumerate(classes):
        colour, _, hatch = plots.EMOTION_STYLE[name]
        axes[0, 1].bar(place, posterior[place], color=colour, hatch=hatch, edgecolor="white")
    axes[0, 1].set_xticks(range(len(classes)), [name[:3] for name in classes])
    axes[0, 1].set(ylim=(0, 1), ylabel="probability", title=f"raters: {said}")
    shown = {name: f1[name] for name in ("flags", "ideal")}
    plots.draw_degradation(axes[1, 1], shown, stream, kind, beside)
    axes[1, 1].axvline(share, color="#333333", linestyle="--", linewidth=1)
    axes[1, 1].set(ylabel="macro-F1", title="all test clips")
    return figure


# %%
lab.explorer(
    draw_loss,
    alt="Frames and waveform with gaps, the network's posterior, the curve with the share lost.",
    share=(0.0, 0.9, 0.36),
    stream=["video", "audio", "both"],
    how=["singly", "gap", "window"],
)
whole, answer = lossy_answer("video", 0.0)
sparse, _ = lossy_answer("video", 0.36)
print(
    "a share of 0 leaves", int(whole.video_mask.sum()), "of", int(item.video_mask.sum()), "frames"
)
print("a share of .36 leaves", int(sparse.video_mask.sum()), "| probabilities:", len(answer))
right = classes.index(said)
_, singly = lossy_answer("video", 0.9)
_, gap = lossy_answer("video", 0.9, "gap")
lab.fact("90 % singly: the answer is the raters'", singly.argmax() == right)
lab.fact("90 % in one gap: it is another", gap.argmax() != right)
close = abs(gap.max() - answer.max()) < 0.1
lab.fact("and the network is about as sure of it as of the complete clip (.1)", close)

# %% [markdown]
# **See** that singly the answer is still that of the raters at 90 %, however dark the strip (every frame of the video,
# black where it is lost). With one gap of 90 % this puppet, whose face shows fear, gets another answer, and the network
# is about as sure of it as it was of the complete clip. A wrong answer from too few frames can look as sure as a right
# one.
#
# > **Moral.** Report the whole degradation curve, not one point that you chose.

# %% [markdown]
# ## Zeros, a flag, a learned token
#
# How should a *whole* stream be said to be absent? Three ways in the literature: **zeros**, and the network must find
# out; a **flag**, by which the stream is masked out and its head keeps silent; a **token**, one learned frame in the
# place of the stream (as in masked autoencoders). Each is trained with the same modality dropout, so each has met the
# situation it is tested in.
#
# **Predict.** Which is best without audio?

# %%
absent_guess = lab.predict(
    "the best way to be absent", choices=["zeros", "flag", "token", "no difference"]
)

# %%
token_run = lab.small_auxformer(split, width, epochs, seed, device, absent="token")
token = token_run.predict(split.test)
basic = {
    "zeros": zeros[zeros.condition.isin(CONDITIONS)],
    "flag": flags[flags.condition.isin(CONDITIONS)],
    "token": token,
}
compared = pd.concat({name: lab.scores(part) for name, part in basic.items()})
print("you said:", absent_guess.value)
for condition in CONDITIONS:
    rows = compared.xs(condition, level=1)
    lab.fact(f"{condition}: all three intervals overlap", rows.low.max() < rows.high.min())

# %% tags=["nbval-ignore-output"] reason="the digits of trained networks differ between machines"
written = compared.round(2).apply(lambda row: f"{row.value} [{row.low}, {row.high}]", axis=1)
print(written.unstack(0).loc[list(CONDITIONS)].to_string())

# %% [markdown]
# With six test speakers no difference shows. (Overlapping intervals do not say "alike"; lesson 6 has the right test.)
# In lesson 3 a network that never met an absence in training lost
# .066<!-- ablation: auxformer - no modality dropout, complete --> on *complete* clips. Without audio or without video it lost as well, but there no corrected test set it
# apart. A flag keeps the head of an absent stream from voting (lesson 3); a mask helps where the loss is partial, as
# above.
#
# > **Moral.** Tell a network what is missing, and train it with what can fail in use (four ways: `missing.DROP_LAWS`).

# %% [markdown]
# ## When training clips lack a stream
#
# So far each training clip had both streams, and modality dropout took them away in turn. Collected films are not like
# that: where the camera was covered, a clip lacks its face in every epoch. The suite `missing-training` makes such
# training sets from the puppets; tested are complete clips. 0/0.9 means that no training clip lacks the voice and nine
# of ten lack the face. VAVL, one of the rivals, sends both streams through one shared network. Training is short: five
# epochs.
#
# **Predict.** With all training clips complete VAVL has the highest score. Who has the lowest at 0/0.9?

# %%
systems = ["auxformer", "late-fusion-transformer", "vavl", "functionals-lr"]
lowest_guess = lab.predict("lowest at 0/0.9", choices=systems)

# %% tags=["folded"]
lacking = lab.result_table("missing-training")
lacking = lacking[(lacking.metric == "macro-f1") & (lacking.condition == "complete")]
lacking = lacking.set_index("system").value
rates = ["", " 0.15/0.15", " 0.35/0.35", " 0.1/0.7", " 0.7/0.1", " 0/0.9"]
by_rate = pd.DataFrame(
    {name: [lacking[name + rate] for rate in rates] for name in systems},
    index=[rate.strip() or "0/0" for rate in rates],
)
print("you said:", lowest_guess.value, "| macro-F1 on complete clips:")
print(by_rate.round(3).to_string())
pairs = lab.result_table("missing-training-tests").set_index(["system_a", "system_b"])
pairs = pairs[pairs.condition == "complete"]
pair = pairs.loc[("auxformer 0/0.9", "vavl 0/0.9")]
print(f"0/0.9, AuxFormer minus VAVL: {pair.difference:+.3f}, corrected p {pair.p_corrected:.3f}")
lab.fact("VAVL is the highest at 0/0", by_rate.loc["0/0"].idxmax() == "vavl")
lab.fact("and the lowest at 0/0.9", by_rate.loc["0/0.9"].idxmin() == "vavl")
lab.fact("below AuxFormer, corrected p below .05", pair.difference > 0 and pair.p_corrected < 0.05)
others = [(name + rate, f"{name}{rate}, no dropout") for name in systems[:3] for rate in rates]
apart = [pairs.loc[names].p_corrected < 0.05 for names in others]
lab.fact("with or without modality dropout on top: no difference shown", not any(apart))

# %% [markdown]
# **See** that VAVL scores highest with complete training clips, and lowest where faces are rare. The tests correct for
# looking at all forty-nine systems. They confirm that VAVL is below AuxFormer at 0/0.9, and not that it leads at 0/0.
# Of the rates that both streams share they confirm one lead of VAVL's: at 0.35/0.35 without modality dropout it has
# .063<!-- missing-training: vavl 0.35/0.35, no dropout - auxformer 0.35/0.35, no dropout, complete --> more
# (p .034<!-- missing-training: vavl 0.35/0.35, no dropout ~ auxformer 0.35/0.35, no dropout, complete -->).
# Nor do they set training with modality dropout apart from training without it, at any rate. Lesson 3 found such a
# difference, with fifteen epochs and fewer systems to look at.
#
# > **Moral.** Choose a method on training data like those that you can collect.

# %% [markdown]
# ## Surer with less
#
# Take the voice away, and a careful judge should become less sure of most clips, or at least not surer. **Predict.**
# For what share of the test clips does our network's largest probability *rise* when the audio is removed?

# %%
rise_guess = lab.predict("share of clips that it is surer of without the voice")

# %% [markdown] exercise="rising_share" difficulty=2 importance=4 minutes=8
# ### Exercise 3 · Who grows surer?
# `complete` and `reduced` are posteriors `[N, C]` of the same clips. A clip's confidence is its largest posterior,
# whichever class has it. Return the share of clips whose confidence is higher in `reduced`, by more than $10^{-6}$:
# float32 does not know the difference below that.
#
# HINT Two numbers per clip are all you need: `[N]` before, `[N]` after.
#
# HINT The largest along the axis of the classes; then a comparison of two arrays, clip by clip.
#
# HINT A comparison gives True or False per clip, and the mean of such an array is a share.


# %% exercise="rising_share"
def rising_share(complete: np.ndarray, reduced: np.ndarray) -> float:
    """Posteriors `[N, C]` with everything and with less -> share of clips of rising confidence."""
    # SOLUTION
    rise = reduced.max(1) - complete.max(1)
    return (rise > 1e-6).mean()
    # END


# %%
lesson5.rising_share(rising_share)

# %%
from auxformer.evaluation.robustness import rising_confidence


def posteriors(table: pd.DataFrame, condition: str) -> np.ndarray:
    """Posteriors `[N, C]` of one condition, clips in sorted order."""
    return table[table.condition == condition].set_index("clip").sort_index()[classes].to_numpy()


rising = {
    (name, gone): rising_share(posteriors(part, "complete"), posteriors(part, gone))
    for name, part in {"flags": flags, "ideal": ideal}.items()
    for gone in ("no-audio", "no-video")
}
rise_guess.against(round(5 * rising["flags", "no-audio"]) / 5, digits=1)  # to the nearest fifth
estimate = rising_confidence(flags, classes, "no-audio")
lab.fact("the package counts the same", abs(estimate.value - rising["flags", "no-audio"]) < 1e-9)
lab.fact("without audio, AuxFormer is surer of more than four clips in ten", estimate.low > 0.4)
lab.fact("without video, of less than a quarter", rising["flags", "no-video"] < 0.25)
lab.fact(
    "the ideal observer: of less than one in twenty, either way",
    max(rising["ideal", gone] for gone in ("no-audio", "no-video")) < 0.05,
)

# %% [markdown]
# If a system is surer when it knows less, its confidence does not say whether it knows enough. (The ideal observer's
# few cases are right: a voice that contradicts the face lowers its confidence, and without the voice only the face
# counts.)
#
# Where does it come from? **By hand.** Two classes, logits in favour of the first: fusion 2, video 2, audio 0, for the
# voice says little. The mean of three is $4/3$: a probability of $e^{1.33}/(e^{1.33} + 1) = .79$. Without audio the
# mean of the *two that are present* is 2: .88. Nothing new is known; a head that was unsure has dropped out of the
# mean.
#
# What if the absent head stayed in the room and voted for *nothing*, logits of zero? The mean is $4/3$ again, .79.

# %% [markdown] exercise="vote_of_three" difficulty=3 importance=4 minutes=10
# ### Exercise 4 · An empty chair
# `logits.av`, `logits.a`, `logits.v` are `[B, C]`, `logits.weights` `[B, 3]` is 1 for a head that is present and 0 for an
# absent one. Return the prediction `[B, C]`: the mean over *three* heads, where an absent head counts with logits of 0.
# (In lesson 3 dividing by three was the mistake. Here it is the proposal; we will measure what it is worth.)
#
# HINT How does it differ from lesson 3's answer? Only in what the sum is divided by.
#
# HINT Stack the heads to `[B, 3, C]`; the weights, with one more axis, turn absent heads into zeros.
#
# HINT Once absent heads are zeros, an ordinary mean along the axis of the heads divides by three.


# %% exercise="vote_of_three"
def vote_of_three(logits: af.Logits) -> torch.Tensor:
    """Logits -> mean of three heads, an absent one voting for nothing, `[B, C]`."""
    # SOLUTION
    heads = torch.stack([logits.av, logits.a, logits.v], 1)  # [B, 3, C]
    return (heads * logits.weights.unsqueeze(-1)).mean(1)
    # END


# %%
lesson5.vote_of_three(vote_of_three)

# %% [markdown]
# **Predict.** How many clips get another *class*? By how much does the share of rising clips fall on the *dev* speakers
# (we are choosing, so test has to wait)? And are the probabilities closer to the truth? The last is measured by the
# **expected calibration error** (ECE): it sorts clips into bins by confidence and asks how far the accuracy of a bin is
# from its mean confidence; 0 is perfect.

# %%
class_guess = lab.predict("share of clips whose predicted class changes")

# %%
from auxformer.evaluation.calibration import calibration_of

votes = {"present": af.Logits.mean, "three": vote_of_three}
dev = {name: run.predict(split.dev, vote=vote) for name, vote in votes.items()}
changed = (dev["present"].predicted != dev["three"].predicted).mean()
class_guess.against(changed)
ece = {}
rises = {}
for name, part in dev.items():
    calibration = calibration_of(part, classes).set_index(["metric", "condition"]).value
    ece[name] = calibration["ece"]
    for gone in ("no-audio", "no-video"):
        before, after = posteriors(part, "complete"), posteriors(part, gone)
        rises[name, gone] = rising_share(before, after)
fall = rises["present", "no-audio"] - rises["three", "no-audio"]
lab.fact("no-audio: the share of rising clips falls by more than .2", fall > 0.2)
lab.fact(
    "complete clips are as they were",
    abs(ece["three"]["complete"] - ece["present"]["complete"]) < 1e-3,
)
lab.fact("no-video: calibration gets worse", ece["three"]["no-video"] > ece["present"]["no-video"])

# %% tags=["nbval-ignore-output"] reason="the digits of trained networks differ between machines"
measured = pd.DataFrame({name: values for name, values in ece.items()}).add_prefix("ECE, vote of ")
for name in votes:
    measured[f"rising, vote of {name}"] = [rises.get((name, row), np.nan) for row in measured.index]
print(measured.round(3).to_string(na_rep="-"))

# %% [markdown]
# Not one class changes: dividing logits by another number makes all of them smaller alike. Fewer clips rise. But the
# ECE shows a price. A *reliability diagram* shows its bins.

# %% tags=["folded"]
from auxformer.evaluation.calibration import reliability

figure, axes = plt.subplots(1, 3, figsize=(9.4, 3.3), sharey=True)
filled = {}
for axis, condition in zip(axes, CONDITIONS):
    axis.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
    for (name, part), (colour, marker, line) in zip(dev.items(), plots.CURVE_STYLE.values()):
        bins = reliability(part[part.condition == condition], classes, bins=6)
        bins = bins[bins.clips >= 10]
        axis.plot(bins.confidence, bins.accuracy, color=colour, marker=marker, ls=line, label=name)
        filled[condition, name] = int(bins.clips.sum())
    axis.set(title=condition, xlabel="confidence", xlim=(0, 1), ylim=(0, 1.02))
axes[0].set_ylabel("accuracy")
axes[0].legend(title="vote of", loc="lower right")
lab.show(
    figure,
    alt="Accuracy against confidence for two votes: alike when complete, else three lies above.",
)
print(len(split.dev), "dev clips; in bins of ten or more:")
lab.fact("never less than nine in ten", min(filled.values()) > 0.9 * len(split.dev))
whole = dev["present"][dev["present"].condition == "complete"]
lab.fact(
    "complete clips: right more often than it says",
    (whole.predicted == whole.truth).mean() > whole[classes].max(axis=1).mean(),
)

# %% [markdown]
# **See** points above the dotted diagonal: on complete clips this network of few epochs is right more often than it
# says. Without audio its confidence *rises* to about what it should have been. Dividing by three pushes it down again,
# away from the diagonal: with this network fewer rising clips cost calibration. Recorded with a network of 15 epochs,
# twice as wide (`auxformer course run 5 --profile full`, five minutes), which is surer than right without audio: there,
# on the same dev speakers, the empty chair took the rising share from .42 to .12, the ECE without audio from .08 to
# .04, and that without video from .07 to .10. One condition gains, the other loses.
#
# **Where it goes wrong.** "Fewer rising clips" and "calibrated under each condition" are two aims, and one change did
# not reach both. If you need both, fit something *per condition* on dev, such as a temperature.
#
# > **Moral.** Confidence can be right under one condition and wrong under another. Check each that can occur.

# %% [markdown]
# ## When media go wrong
#
# So far frames were lost after their features had been computed. In practice the *recording* suffers, and no flag says
# so: noise, blur, darkness, a delay. The package's `corruption` module does it to waveforms and pictures; features are
# then extracted anew (`auxformer corpus corrupt` writes a whole corpus). Here is the clip of the explorer.
#
# **By hand.** 10 dB means that the noise has a tenth of the voice's power, $10^{-10/10}$. 0 dB is not silence: it is as
# much noise as voice. Code in which level 0 *erases* the voice has a bug.

# %%
from auxformer import corruption

rng = np.random.default_rng(seed)
noise = corruption.white_noise(len(waveform), rng)
sounds = {
    "as recorded": waveform,
    "noise, 10 dB": corruption.add_noise(waveform, noise, 10),
    "300 ms late": corruption.delay(waveform, 300, rng),
}
pictures = {
    "as recorded": frames,
    "blur": corruption.blur(frames),
    "dark": corruption.darken(frames, rng),
    "occluded": corruption.occlude(frames),
}

# %% tags=["folded"]
figure, axes = plt.subplots(2, 3, figsize=(8.4, 3.3), height_ratios=(1.1, 1))
for axis, (name, sound) in zip(axes[0], sounds.items()):
    plots.draw_spectrogram(axis, sound, 16000)
    axis.set_title(name)
for axis in axes[1]:
    axis.remove()
below = figure.add_subplot(axes[0, 0].get_gridspec()[1, :])
middle = len(frames) // 2
below.imshow(np.concatenate([film[middle] for film in pictures.values()], axis=1))
wide = frames.shape[2]
below.set_xticks(wide * (np.arange(len(pictures)) + 0.5), list(pictures))
below.set_yticks([])
below.tick_params(length=0)
below.spines[:].set_visible(False)
lab.show(
    figure,
    alt="Spectrograms as recorded, with noise, late; a frame as recorded, blurred, dark, occluded.",
)
added = sounds["noise, 10 dB"]
factor = np.dot(added, waveform) / np.dot(waveform, waveform)  # it may have been turned down
rest = added - factor * waveform
ratio = 10 * np.log10(np.sum((factor * waveform) ** 2) / np.sum(rest**2))
print("signal to noise:", round(float(ratio)), "dB")
moved = np.allclose(sounds["300 ms late"][4800:], waveform[:-4800])
print("samples of the delay:", 4800, "| the same voice, later:", moved)
edges = {
    name: np.abs(np.diff(film.astype(float), axis=2)).mean() for name, film in pictures.items()
}
lab.fact("blur leaves less than half of the edges", edges["blur"] < 0.5 * edges["as recorded"])
light = pictures["dark"].mean() / frames.mean()
lab.fact("dark: about an eighth of the light", abs(light - 1 / 8) < 0.02)

# %% [markdown]
# **See** what each takes and what it spares. White noise fills the spaces *between* the harmonics and the pauses first;
# blur takes the edges, of which HOG is made; darkness takes light, which HOG does not look at, and brings the sensor's
# noise, which it does. The bar hides the mouth and spares the brows. The delay moves the voice against the face, which
# averages over each stream do not show. What comes in before the voice is noise as loud as its quietest moments. Exact
# zeros would be something that no microphone gives; lesson 7 shows what they do.
#
# `auxformer bench puppets` scores these for many systems.
#
# > **Moral.** No flag tells you that a recording is bad. Test with bad recordings, not only with lost frames.

# %% [markdown]
# ## What to take away
#
# - Frames lost singly cost little as long as they are *masked*. As zeros they cost much once most of the video is lost.
# - A gap costs more than the same share lost singly: it spares the silent ends. Such a scrap can be worse than nothing.
# - Compare a loss with what the ideal observer must lose and with people who had as little. The rest is the model's.
# - For a whole stream the intervals of zeros, flag and token overlap: no difference is shown here.
# - Confidence may rise when information falls. Calibration has to be checked under each condition.

# %% [markdown]
# ## Five questions
#
# QUESTION System A falls from .90 to .60 without video, system B from .70 to .58. Which is more robust?
#
# ANSWER B keeps more of its own score (.83 against .67), but A is better under both conditions. A share of one's own
# score favours a system that starts low. Give both numbers, and the ceiling under each condition.
#
# QUESTION Half of the frames are lost singly, and nothing happens. Would that hold for five frames per second?
#
# ANSWER Hardly. It holds because neighbours are alike; at five per second each frame says something of its own, and losing
# half of them leaves gaps of half a second.
#
# QUESTION Why does every system lose the *same* frames under a condition?
#
# ANSWER So that a difference between systems is not one between losses. The seed of the draw is made of condition, stream
# and clip, and of nothing that belongs to the system.
#
# QUESTION A network with an ECE of .03 without audio is surer there than with audio for most clips. A contradiction?
#
# ANSWER No. It may be calibrated without audio and underconfident on complete clips: then confidence rises because the
# complete condition claims too little.
#
# QUESTION The ideal observer's line is level up to 90 % of lost frames. Is the distance to it the model's fault?
#
# ANSWER Not all of it. That observer knows what was shown however few frames are left; a tenth of a clip in one piece
# may not show it. It is a ceiling that need not be reachable. With a *whole* stream gone it is exact.

# %% [markdown]
# ## Read next
#
# - Goncalves & Busso 2022, *Robust audiovisual emotion recognition: Aligning modalities, capturing temporal information,
#   and handling missing features* (IEEE Transactions on Affective Computing): the experiments with missing features, at
#   the level of frames and of whole streams.
# - Guo et al. 2017, *On calibration of modern neural networks* (ICML), section 2 for ECE and reliability diagrams, section
#   4 for the temperature.
# - Ma et al. 2022, *Are multimodal transformers robust to missing modality?* (CVPR): how much the choice of fusion decides.
#
# Next, lesson 6: is system A better than system B?

# %% tags=["nbval-ignore-output"] reason="versions, device and seconds belong to the machine"
lab.versions(seed)
