# ---
# jupyter:
#   lesson:
#     number: 4
#     title: Fast training
#     question: Where does the time go?
#     reading: 35
#     exercises: 35
#     seconds: 180
#     profiles: {full: {clips: 32}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Lesson 4 · Fast training
#
# A training run of a minute can be repeated after every change; a run of a night cannot. This lesson makes training
# faster step by step: look first, change one thing, measure it, keep it only if it pays. The cells measure your
# machine, and use its GPU if there is one. One section shows times that were recorded on a GPU.
#
# **You will be able to**
#
# 1. say beforehand what a layer costs, and where length takes over from width (check: `layer_operations`)
# 2. cut batches so that little is computed for padding (check: `bucket_batches`)
# 3. take a batch in parts without changing what is learned (check: `gradient_in_parts`)
#
# **Before you start** [Lesson 2](02_fusion_transformer.ipynb): what a layer computes. [Lesson
# 3](03_auxiliary_networks.ipynb): the losses. Self-test: a matrix `[m, k]` times one of `[k, n]` takes $m k n$
# multiplications. How many for `[250, 130]` times `[130, 520]`? (16.9 million.)

# %% tags=["parameters"]
size = "course"
seed = 0
clips = 8

# %%
import numpy as np
import torch

import auxformer as af
from auxformer import plots
from auxformer.course import lab, machine
from auxformer.course.checks import lesson4

lab.begin(threads=None)  # here every core may take part
device = "cuda" if torch.cuda.is_available() else "cpu"
split = lab.open_splits(size, seed)
dims = split.train.audio.dims, split.train.video.dims
print("a batch:", clips, "clips, audio and video features", dims)

# %% [markdown]
# ## Look before you change
#
# Here is one training step of AuxFormer in its published form (two layers instead of five, to save your time), every
# operation PyTorch's own. A network is mostly products of matrices, so one expects them to fill the step.
#
# **Predict.** What share of the step's time goes into products of matrices?

# %%
share_guess = lab.predict("share of the time spent on products of matrices")

# %%
from auxformer.data.batch import collate
from auxformer.models import fast, shared_loss
from auxformer.training.fit import make_optimizer

batch = collate([split.train[index] for index in range(clips)]).to(device)


def published(layers: int = 2):
    """A function that makes one training step of AuxFormer in its published form."""
    torch.manual_seed(seed)
    config = af.override(af.preset("paper"), {"model": {"layers": layers}})
    model = af.create_model(config.model.name, config.model, *dims, 6).to(device).train()
    optimizer = make_optimizer(model, config.training)

    def step():
        optimizer.zero_grad(set_to_none=True)
        shared_loss(model(batch), batch.target).backward()
        optimizer.step()

    return step


step = published()
with fast.switched_off():
    plain = machine.time_by_group(step)
ours = machine.time_by_group(step)

# %% tags=["folded"]
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(7.2, 2.6))
looks = {"PyTorch's own": ("#D55E00", "s", "//"), "fast paths": ("#0072B2", "o", "")}
series = {"PyTorch's own": plain, "fast paths": ours}
plots.draw_bars(axis, series, list(plain.index), looks, top=max(plain.max(), ours.max()))
axis.set(ylabel="ms of one step")
lab.show(figure, alt="Milliseconds of a step by kind of operation, without and with fast paths.")
share = plain / plain.sum()
guess = f"you said {share_guess.value:.2f} for the products"
lab.fact(f"{guess}; PyTorch's own: less than .75", share["products"] < 0.75)
lab.fact("dropout alone takes more than a tenth", share["dropout"] > 0.1 or device == "cuda")
lab.fact("with fast paths it takes less time", ours["dropout"] < plain["dropout"])

# %% [markdown]
# **See** the bar *dropout*. Drawings of the network have no box for it. On a processor PyTorch draws a random number
# for each element, and the weights of attention alone have tens of millions. Multiplying by the masks comes on top, in
# the bar *multiply, add, copy*.
#
# The package's answer is in `models/fast.py`: random numbers are cut from 64-bit words, eight from each; attention with
# dropout goes clip by clip, so that its weights stay in the cache; the feed-forward branch takes a thousand frames at a
# time. On a GPU none of this is needed, and PyTorch's own is used.
#
# > **Moral.** Profile first. Here more than a tenth of the step went into dropout, which no drawing of the network shows.

# %% [markdown]
# ## What must it cost?
#
# A profile says where the time goes. Counting says how many operations are needed at all. One self-attention layer of
# width $d$ over $T$ frames multiplies, counting a multiplication and its addition as 2:
#
# $$\mathrm{ops}(T, d) = 2 \cdot 12\, T d^2 + 2 \cdot 2\, T^2 d$$
#
# The first term: four projections ($Q$, $K$, $V$, output; $d^2$ each) and two maps of the feed-forward branch ($4 d^2$
# each), for every frame. The second: queries times keys, weights times values, for every *pair* of frames. **By hand**,
# $T = 10$, $d = 4$: $2 \cdot 12 \cdot 10 \cdot 16 = 3840$ and $4 \cdot 100 \cdot 4 = 1600$.
#
# **Predict.** At which length does the second term overtake the first, for $d = 130$?

# %%
length_guess = lab.predict("frames, in thousands, at which attention overtakes the rest")

# %% [markdown] exercise="layer_operations" difficulty=2 importance=4 minutes=8
# ### Exercise 1 · Count before you buy
# Return the operations of one layer for `clips` clips of `frames` frames, width `width`, in which the feed-forward
# branch is `expansion` times as wide as the layer. A multiplication with its addition counts 2. Leave out biases, ReLU,
# softmax and LayerNorm.
#
# HINT Which products does one frame go through, and how large are their matrices?
#
# HINT Projections: four of $d \times d$. Feed-forward: two of $d \times (\mathrm{expansion} \cdot d)$.
#
# HINT Per clip and layer: $T$ times the first sum, plus $2 T^2 d$ for the two products of attention; all of it times 2.


# %% exercise="layer_operations"
def layer_operations(clips: int, frames: int, width: int, expansion: int = 4) -> float:
    """Operations of one self-attention layer on a batch."""
    # SOLUTION
    per_frame = 4 * width**2 + 2 * expansion * width**2
    pairs = 2 * frames**2 * width
    return 2.0 * clips * (frames * per_frame + pairs)
    # END


# %%
lesson4.layer_operations(layer_operations)
length_guess.against(6 * 130 / 1000)
from auxformer.benchmark.cost import cost_table

table = cost_table(af.preset("paper").model, 130, 4096)
print("operations of one clip, forward, millions (250 audio and 75 video frames):")
print(
    table.mflops.drop(["proj1", "proj2", "out_layer", "conv_1d_v"]).round().astype(int).to_string()
)
by_hand = 5 * layer_operations(1, 250, 130) / 1e6
lab.fact(
    "a_mem, three passes of five layers: three times your count",
    abs(table.mflops["a_mem"] / by_hand - 3) < 0.2,
)


# %% tags=["folded"]
def draw_cost(width: int, frames: int):
    """Operations of a layer against length, both terms."""
    lengths = np.arange(10, 2001, 10)
    products = 24 * lengths * width**2 / 1e6
    pairs = 4 * lengths**2 * width / 1e6
    figure, axis = plt.subplots(figsize=(6.8, 2.8))
    axis.plot(lengths, products, color="#0072B2", label="products per frame")
    axis.plot(lengths, pairs, color="#D55E00", linestyle="--", label="attention, per pair")
    axis.axvline(frames, color="#333333", linewidth=1, linestyle=":")
    here = layer_operations(1, frames, width) / 1e6
    axis.set(
        xlabel="frames", ylabel="million operations", title=f"{frames} frames: {here:.0f} million"
    )
    axis.set_yscale("log")
    axis.legend(loc="lower right")
    return figure


lab.explorer(
    draw_cost,
    alt="Operations of a layer over the length of a clip: per frame, and steeper per pair.",
    width=(16, 256, 130),
    frames=(50, 2000, 250),
)
lab.fact(
    "the lines cross at 6 times the width", layer_operations(1, 780, 130) == 2 * 24 * 780 * 130**2
)

# %% [markdown]
# **See** where the dashed line overtakes: at $6d$, 780 frames for the published width. At 2.5 s of speech with 100
# frames per second we are at 250, on the cheap side. A minute of conversation is not.
#
# And the table: `a_mem` and `v_mem` are the auxiliary networks; applied three times in a row, they cost more than the
# fusion. The second opinion of lesson 3 takes more than half of the operations. Our default network averages 8 audio
# and 2 video frames into one before the stacks: fewer frames, and the second term falls with the *square*.
#
# > **Moral.** Count operations before you buy a faster machine. Some of them may not be needed.

# %% [markdown]
# ## Computing nothing, slowly
#
# Clips of a batch are padded to the longest. Whatever is computed for padding is thrown away. **By hand**: lengths 3, 4
# and 11 in one batch take $3 \cdot 11 = 33$ frames, 15 of them padding.
#
# **Predict.** What share of all audio frames of an epoch is padding when batches of 32 are drawn at random?

# %%
padding_guess = lab.predict("share of padding, random batches")

# %% [markdown] exercise="bucket_batches" difficulty=3 importance=4 minutes=12
# ### Exercise 2 · Birds of a feather
# `lengths` `[N]` are the clips' lengths in frames. Return a list of integer arrays: the clips (their places in
# `lengths`) of each batch, at most `size` in each, so that clips of like length travel together. Every clip is in
# exactly one batch; only one batch may be smaller than `size`.
#
# HINT Which order of the clips puts like lengths side by side? NumPy gives you the *places*, not the values.
#
# HINT `np.argsort(lengths, kind="stable")`; then cut the order into pieces.
#
# HINT `range(0, N, size)` gives the starts of the pieces; a slice beyond the end is simply shorter.


# %% exercise="bucket_batches"
def bucket_batches(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Lengths `[N]` -> places of the clips of each batch."""
    # SOLUTION
    by_length = np.argsort(lengths, kind="stable")
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]
    # END


# %%
lesson4.bucket_batches(bucket_batches)


def padding(lengths: np.ndarray, batches) -> float:
    """Share of padding when each batch is as long as its longest clip."""
    frames = sum(len(places) * lengths[places].max() for places in batches)
    return 1 - lengths.sum() / frames


from auxformer.data.batch import BucketSampler

lengths = np.asarray(split.train.lengths)
shuffled = np.random.default_rng(seed).permutation(len(lengths))
random_batches = [shuffled[start : start + 32] for start in range(0, len(shuffled), 32)]
sampler = BucketSampler(lengths, 32, seed)
sampler.set_epoch(0)
shares = {
    "random": padding(lengths, random_batches),
    "sorted": padding(lengths, bucket_batches(lengths, 32)),
    "ours": padding(lengths, [np.array(places) for places in sampler]),
}
padding_guess.against(round(20 * shares["random"]) / 20)  # to the nearest .05
lab.fact("random: more than a tenth is padding", shares["random"] > 0.1)
lab.fact("sorted: less than .02", shares["sorted"] < 0.02)
lab.fact("the package's sampler lies between", shares["sorted"] < shares["ours"] < shares["random"])

# %% [markdown]
# **Where it goes wrong.** Sorted batches are the same in every epoch, and clips of like length may be of like class:
# sad speech may be slow. The package's `BucketSampler` therefore shuffles first, sorts only within windows of many
# batches, and shuffles the batches. The price is a little padding.
#
# > **Moral.** Batch clips of like length: then little is computed for padding.

# %% [markdown]
# ## The same memory, fetched twice
#
# A step frees its large arrays and asks for arrays of the same sizes a moment later. The C library gives a large block
# back to the system at once, and the system hands it out again *cleared*, a page of 4 KiB at a time, at the first
# touch: a *page fault*. **By hand**: attention weights of 32 clips, 10 heads, $250 \times 250$ frames in float32 are 80
# million bytes, 19,500 pages, for every layer and every step.
#
# **Predict.** How many page faults does one step of the two-layer network make?

# %%
fault_guess = lab.predict(
    "page faults in a step", choices=["a dozen", "thousands", "tens of millions"]
)

# %%
from auxformer.models.memory import keep_freed_memory

step = published()
with fast.switched_off():
    gone, gone_seconds = machine.page_faults(step)
    can_keep = keep_freed_memory()  # from here on, until the kernel ends
    kept, kept_seconds = machine.page_faults(step)

elsewhere = device == "cuda" or not can_keep  # this is about CPUs under Linux
print("you said:", fault_guess.value)
lab.fact("thousands of faults in a step", 1e3 < gone < 1e7 or elsewhere)
lab.fact("with the memory kept, less than half of them", kept < gone / 2 or elsewhere)

# %% tags=["nbval-ignore-output"] reason="counts and times belong to the machine"
print(f"page faults per step: {gone:,.0f}, then {kept:,.0f}")
print(f"times as fast: {gone_seconds / kept_seconds:.2f}")

# %% [markdown]
# `keep_freed_memory` is two calls of `mallopt(3)`; `fit` and `predict` make them before anything else. Nothing about
# the result changes. On our two cores a step of the `default` preset made 20,000 to 37,000 faults and makes 900; it
# became 1.3 to 1.5 times as fast. The profiler of the first section does not show this: it counts by operation, and a
# fault is part of the operation that touches the page first.
#
# > **Moral.** A profiler shows only what it was built to count. Ask the operating system as well.

# %% [markdown]
# ## Half the bits
#
# A number in *bf16* has the range of a float32 and 8 significant bits instead of 24. **By hand**: between 1 and 2 there
# are 128 of them, 1/128 apart. **Predict.** We start from 0 and add 1, five hundred times, in bf16. Where do we end?

# %%
sum_guess = lab.predict("500 times plus one", choices=["500", "496", "256", "an overflow"])

# %%
total = torch.tensor(0.0, dtype=torch.bfloat16)
for _ in range(500):
    total += 1
print("you said:", sum_guess.value, "| in bf16:", int(total))
small = torch.tensor(1.0, dtype=torch.bfloat16) + 1e-3
print("a weight of 1, after a step of .001:", float(small))

# %% [markdown]
# At 256 the next number is 258; adding 1 is lost in rounding, every time. A weight of 1 is not changed by a step of a
# thousandth either. So *mixed* precision computes products in bf16 and keeps weights, sums and losses in float32
# (`training.precision = "bf16"`, PyTorch's autocast). Products take the most time, and many of their rounding errors
# cancel.


# %%
def step_with(fast_paths: str, precision: str, frames_in_one: str):
    """A training step of a small published network with these switches."""
    torch.manual_seed(seed)
    pooled = {"audio_pool": int(frames_in_one), "video_pool": 1, "layers": 1}
    config = af.override(af.preset("paper"), {"model": pooled})
    model = af.create_model("auxformer", config.model, *dims, 6).to(device).train()
    half = precision == "bf16"

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=half):
            logits = model(batch)
        shared_loss(logits, batch.target).backward()

    return step if fast_paths == "on" else fast.switched_off()(step)


plain_step = step_with("off", "float32", "1")


def times_as_fast(fast_paths: str, precision: str, frames_in_one: str) -> float:
    """Speed of a step with these switches against the plain one, in turns."""
    return machine.times_as_fast(step_with(fast_paths, precision, frames_in_one), plain_step)


# %% tags=["folded"]
def draw_switches(fast_paths: str, precision: str, frames_in_one: str):
    """Time of the step with the switches, as a multiple of the speed without."""
    gain = times_as_fast(fast_paths, precision, frames_in_one)
    figure, axis = plt.subplots(figsize=(6.8, 1.6))
    axis.barh(["before", "now"], [1, gain], color=["#999999", "#0072B2"], hatch=["//", ""])
    axis.set(xlabel="times as fast", title=f"{fast_paths}, {precision}, {frames_in_one} in one")
    return figure


# %% [markdown]
# Flip the switches. Every change measures anew, on *your* machine: fast paths off or on, the precision, and how many
# audio frames are averaged into one.

# %%
lab.explorer(
    draw_switches,
    alt="Two bars: speed of a training step before, and with the chosen switches.",
    fast_paths=["on", "off"],
    precision=["float32", "bf16"],
    frames_in_one=["1", "2", "4", "8"],
)
pooled = times_as_fast("off", "float32", "8")
lab.fact("8 audio frames in one: more than 2 times as fast", pooled > 2)

# %% tags=["nbval-ignore-output"] reason="times belong to the machine"
print("times as fast as PyTorch's own, float32 (fast paths, precision, frames in one):")
for row in [("on", "float32", "1"), ("off", "bf16", "1")]:
    print(f"{', '.join(row):<16}{times_as_fast(*row):6.2f}")
print(f"{'off, float32, 8':<16}{pooled:6.2f}")
print("device:", device)

# %% [markdown]
# Not every switch pays everywhere, and a ratio differs from one measurement to the next: compare the figure with the
# first row of the table, which is the same switch. Whether bf16 helps depends on whether your processor multiplies it
# in hardware. `torch.compile` is a switch as well (`training.compile`); on two cores it took a minute to compile, and
# the step was then no faster than with the fast paths.
#
# > **Moral.** A speed-up is a ratio measured on the machine that will do the work.

# %% [markdown]
# ## On a GPU
#
# We took two networks, the published one and the default one, to a GPU made for training large ones (an NVIDIA H100,
# `python benchmarks/gpu.py`). A training step of the published network with 32 clips in bf16 took 178 ms.
#
# **Predict.** How long did it take with *four times* as many clips?

# %%
gpu_guess = lab.predict(
    "ms of a step with 128 clips on the GPU", choices=["180", "230", "350", "700"]
)

# %%
recorded = lab.result_table("gpu")
steps = recorded[(recorded.what == "batch") & (recorded.preset == "paper")]
by_clips = steps.set_index("clips").milliseconds
print(f"you said: {gpu_guess.value} | it took: {by_clips[128]:.0f} ms")
print(recorded.device[0], "· torch", recorded.torch[0])
columns = ["what", "preset", "setting", "clips", "milliseconds", "peak_mib"]
shown = recorded[columns].dropna(subset="milliseconds").round(1)
print(shown.to_string(index=False, na_rep=""))
for row in recorded[recorded.note.notna()].itertuples():
    print(f"{row.preset}, {row.setting}, {row.clips} clips: {row.note.split('.')[0]}")
lab.fact("four times the clips took less than a fifth longer", by_clips[128] < 1.2 * by_clips[32])

# %% [markdown]
# **See** that four times the clips took hardly longer (32 clips in bf16 are in the table twice, 151 and 178 ms): so few
# do not keep this GPU busy. What does it wait for? A step of these networks is many small operations, and Python
# launches them one after the other. The table has a test of this idea. A *graph* records the operations of a step once
# and replays them as a whole, without Python.

# %%
def recorded_ms(what: str):
    """Milliseconds, a row per network and a column per setting."""
    rows = recorded[recorded.what == what]
    return rows.pivot(index="preset", columns="setting", values="milliseconds")


step_ms, way_ms = recorded_ms("training step"), recorded_ms("transfer")
times = step_ms["bf16"] / step_ms["bf16, graph"]
print(step_ms[["bf16", "bf16, graph"]].assign(times_as_fast=times).round(1).to_string())
lab.fact("a graph made each step at least 2.5 times as fast", times.min() > 2.5)
half_bits = step_ms["bf16"] / step_ms["float32"]
lab.fact("half the bits made no step a tenth faster", half_bits.min() > 0.9)
pinned = way_ms["pinned memory"] / way_ms["ordinary memory"]
lab.fact("pinned memory: a batch there in a third of the time", pinned.max() < 1 / 3)

# %% [markdown]
# As a graph the default network's step took a twelfth of the time, the published one's a third: the rest was launching
# operations. So fewer bits hardly helped: TF32 saved a fifteenth, and bf16 made the default network's step a third
# slower. In float32 the GPU was twice as fast as the processor beside it for the default network, thirteen times for the
# published one. Counting operations, as above, does not show this, since it leaves out the time to launch them. What
# helps is to launch fewer and larger operations:
#
# - more clips in a batch, as long as the memory lasts and the network learns as well;
# - a step that is recorded as a *graph*, or *compiled*: neighbouring operations become one (half the time, here).
#
# Or let several networks share the GPU, as the sixteen did that were trained at once for tables of the README. Pinned
# memory, from which the GPU fetches by itself, is faster, but a batch's way there is a small part of a step.
#
# If you have a GPU, the next cell times the default network on it.

# %%
from auxformer.benchmark import gpu

if torch.cuda.is_available():
    for row in gpu.measure_gpu(repeats=5, presets=["default"], compiling=False):
        print(row["what"], row["setting"], row["clips"], row["milliseconds"], "ms", row["note"])
else:
    print("skipped: no GPU. On one it measures, in milliseconds and memory,")
    print("a training step:", ", ".join(gpu.STEPS))
    print("batches of", ", ".join(map(str, gpu.BATCHES)), "clips; inference; transfers")

# %% [markdown]
# > **Moral.** Find out what waits for what before you buy a faster machine.

# %% [markdown]
# ## A batch in parts
#
# Memory is the other budget: what forward leaves for backward grows with the batch. The way out is to take a batch in
# parts and to step once (*accumulation*). **By hand**: three clips with the losses 1, 2, 6 have the mean 3. In parts of
# two and one: means 1.5 and 6, whose plain mean is 3.75. The parts have to be *weighed* by their clips: $(2 \cdot 1.5 +
# 1 \cdot 6)/3 = 3$.

# %% [markdown] exercise="gradient_in_parts" difficulty=3 importance=4 minutes=15
# ### Exercise 3 · The same gradient, less memory
# `model` maps inputs `[B, d]` to predictions `[B]`; the loss of a batch is the *mean* of `(prediction − target)²`.
# Leave in each parameter's `.grad` the gradient of the mean loss over the whole batch, computing on at most `part`
# clips at a time. Gradients that were there before must go. Return the mean loss as a number.
#
# HINT PyTorch *adds* to `.grad` at each `backward()`. What follows for the beginning, and what for the parts?
#
# HINT `torch.split(x, part)` cuts along the first axis; the last piece may be smaller.
#
# HINT Multiply each part's mean loss by its share of the clips before `backward()`; the returned value is the sum of those.


# %% exercise="gradient_in_parts"
def gradient_in_parts(model, inputs, targets, part: int) -> float:
    """Inputs `[B, d]`, targets `[B]` -> mean loss; gradients are left in the parameters."""
    # SOLUTION
    model.zero_grad()
    whole = 0.0
    for x, y in zip(inputs.split(part), targets.split(part)):
        weighed = ((model(x) - y) ** 2).mean() * len(x) / len(inputs)
        weighed.backward()
        whole += weighed.item()
    return whole
    # END


# %%
lesson4.gradient_in_parts(gradient_in_parts)
voices, angry = batch.audio.mean(1).cpu(), batch.target[:, 0].cpu()  # [B, Da], [B]
linear = torch.nn.Sequential(torch.nn.Linear(dims[0], 1), torch.nn.Flatten(0))
gradients = []
for part in (clips, 5):
    gradient_in_parts(linear, voices, angry, part)
    gradients.append(linear[0].weight.grad.clone())
same = torch.allclose(*gradients, rtol=1e-3, atol=1e-5)
lab.fact("real clips, in parts of 5: the gradient of the whole batch", same)
one = cost_table(af.preset("paper").model, 130, 4096, clips=32).saved_mb["total"]
part = cost_table(af.preset("paper").model, 130, 4096, clips=8).saved_mb["total"]
print(f"kept for backward: 32 clips {one / 1000:.1f} GB, 8 clips {part / 1000:.1f} GB")

# %% [markdown]
# In the package: `training.accumulate = 4`. The same weighing divides a batch among *processes*, which then send each
# other their sums.
#
# > **Moral.** The mean of the parts' means is the mean of the whole only if the parts are equally large or weighed.

# %% [markdown]
# ## Killed, and two at once
#
# A run of the package can be killed at any moment and goes on to the *same bits*: the random draws of an epoch depend
# on (what, seed, epoch) only, and a checkpoint is moved into place when it is complete. We try it: one run to its end;
# one killed after its first checkpoint and started again; then two processes that share every batch.
#
# **Predict.** By how much do the final weights of the killed run differ?

# %%
kill_guess = lab.predict("largest difference of a weight, killed against whole")

# %% tags=["nbval-ignore-output"] reason="process numbers and times belong to the machine"
runs = machine.Trainings(split.task.corpus)
runs.train("whole")
status, saved = runs.kill("killed")
runs.train("killed")
runs.train("two", processes=2)


# %%
def difference(name: str) -> float:
    """Largest difference of a weight from the undisturbed run."""
    whole, other = runs.weights("whole"), runs.weights(name)
    return max(float((whole[key] - other[key]).abs().max()) for key in whole)


kill_guess.against(difference("killed"))
lab.fact(
    "it was killed with a checkpoint behind it and epochs before it",
    status != 0 and saved > 0,
)
lab.fact("killed and continued: the same bits", difference("killed") == 0)
curves = [runs.losses(name) for name in ("whole", "two")]
lab.fact("two processes: the losses of all epochs agree to .001", np.allclose(*curves, atol=1e-3))

# %% [markdown]
# Two processes divide the clips of *each batch*, weigh their gradients as in exercise 3, and add them up; the losses
# are those of one process, to .001. Dropout is off here. With dropout the losses would differ, since each process draws
# random numbers of its own.
#
# On a machine with several GPUs: `accelerate launch -m auxformer train …`.
#
# > **Moral.** Before you start a run of a night, kill a short one and see that it continues.

# %% [markdown]
# ## What to take away
#
# - Profile, predict, change one thing, measure the ratio in one run. Keep what pays.
# - Products of matrices have to be computed. Time for dropout, padding and page faults can be saved.
# - The part per frame grows as $T d^2$, the part per pair of frames as $T^2 d$; they meet at a length of six widths.
# - bf16 is for products. Sums, weights and losses stay in float32.
# - If a GPU waits for Python, half the bits do not help. Launch fewer and larger operations.
# - Parts of a batch, and processes, are weighed by their clips. A checkpoint is moved into place when it is complete.

# %% [markdown]
# ## Five questions
#
# QUESTION A colleague reports "five times faster" from two runs on two days. What is missing?
#
# ANSWER The comparison in *one* run, alternating. Machines drift by tens of per cent within minutes, more when others
# use them.
#
# QUESTION Dropout of attention weights costs much on a processor and little on a GPU. Why?
#
# ANSWER A GPU can draw its random numbers inside the attention kernel, from a counter, where the weights already are. A
# processor draws one number after another into memory and reads them again.
#
# QUESTION You double the number of frames per second of a feature. What happens to the cost of a layer?
#
# ANSWER The first term doubles, the second quadruples. Far below six widths that is twice the cost, far above four
# times.
#
# QUESTION Two processes each score one half of the dev clips. Why is the mean of their scores not the dev score?
#
# ANSWER Macro-F1 is no mean over clips: the average of the F1 of two halves is not the F1 of the whole. Add up the
# counts and score once.
#
# QUESTION A run is killed while it writes a checkpoint. What must be on the disk afterwards?
#
# ANSWER The checkpoint before, complete. The new one is written beside it and takes its place only at the end, in one
# step.

# %% [markdown]
# ## Read next
#
# - Williams, Waterman & Patterson 2009, *Roofline: an insightful visual performance model* (CACM): how to tell whether
#   memory or arithmetic is the limit.
# - Dao et al. 2022, *FlashAttention* (NeurIPS), section 3: why attention in blocks that fit the cache is faster though
#   it computes more.
# - Micikevicius et al. 2018, *Mixed precision training* (ICLR), section 3: why the weights keep their bits.
#
# Next, lesson 5: what is left when a stream fails.

# %% tags=["nbval-ignore-output"] reason="seconds and library versions belong to the machine"
lab.versions(seed)
