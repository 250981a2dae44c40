# ---
# jupyter:
#   lesson:
#     number: 2
#     title: The fusion transformer
#     question: How can one stream ask the other for what it needs?
#     reading: 45
#     exercises: 37
#     seconds: 45
#     profiles: {full: {steps: 1500}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Lesson 2 · The fusion transformer
#
# Two experts watch the same clip, one with the sound off, one with closed eyes. Each writes down an answer, and we
# average the two. This can *never* answer some questions, however good the experts are. This lesson begins with such
# a question, builds the network that answers it, and ends with puppets whose lips and voice are out of step.
#
# **You will be able to**
#
# 1. write attention with a mask, and say why it divides by $\sqrt{d}$ (check: `attention`)
# 2. write one step of a cross-modal stack, with or without α (check: `layer_step`)
# 3. reduce a clip to one vector without reading its padding (check: `summarise_last_valid`)
#
# **Before you start** [Lesson 1](01_features.ipynb): features as `[T, D]`. And PyTorch: tensors, `nn.Linear`, what
# training does. Three words that we need: a *batch* is some clips that go through a network together; shorter ones
# are filled up with zeros to the length of the longest, which is *padding*; a *mask* says of each frame whether it is
# real. Other words are in the glossary (`notebooks/guide`).
#
# Self-test. What is the softmax of (0, 0, 0)? (Each is 1/3.) `x = torch.zeros(8, 20, 130)` is a batch of eight clips of
# twenty frames. What are the shapes of `nn.Linear(130, 32)(x)`, `x @ x.transpose(1, 2)` and `x.mean(1)`? (`[8, 20, 32]`,
# `[8, 20, 20]`, `[8, 130]`.) If one of them surprised you, take an hour for the first pages of [PyTorch: learn the
# basics](https://pytorch.org/tutorials/beginner/basics/intro.html).

# %% tags=["parameters"]
seed = 0
steps = 400
width = 32
binding = 0.5

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import auxformer as af
from auxformer.course import lab
from auxformer.course.checks import lesson2

lab.begin()

# %% [markdown]
# ## A question that no vote can answer
#
# A puppet says six syllables, three of them **high**, three **low**, in random order. At one of them it **nods**. The
# question: *was the nodded syllable high?*
#
# The ear knows which syllables were high; the eye knows where the nod was. By hand, two clips:
#
# | clip | voice | nod at | answer |
# |---|---|---|---|
# | 1 | + − + − − + | 3 | yes |
# | 2 | + − + − − + | 4 | no |
#
# The voices are the same, so the ear gives both clips the same answer. Of all clips with this voice half are "yes".
# Of all clips with a nod at one place half are "yes" as well, so the eye does not know either.

# %% tags=["folded"]
SYLLABLES = 6


def pointing_clips(clips: int, generator: torch.Generator) -> af.Batch:
    """Clips of six frames: voice `[B, 6, 2]`, face `[B, 6, 2]`, target (no, yes)."""
    half = torch.ones(clips, SYLLABLES // 2)
    order = torch.rand(clips, SYLLABLES, generator=generator).argsort(1)
    pitch = torch.cat([half, -half], 1).gather(1, order)  # [B, 6], three +1 and three -1
    nod = torch.randint(0, SYLLABLES, (clips,), generator=generator)  # [B]
    voice = 0.1 * torch.randn(clips, SYLLABLES, 2, generator=generator)
    face = 0.1 * torch.randn(clips, SYLLABLES, 2, generator=generator)
    voice[..., 0] += 3 * pitch
    face[torch.arange(clips), nod, 0] += 3
    yes = (pitch.gather(1, nod[:, None]).squeeze(1) > 0).long()
    valid = torch.ones(clips, SYLLABLES, dtype=torch.bool)
    present = torch.ones(clips, dtype=torch.bool)
    names = tuple(map(str, range(clips)))
    return af.Batch(voice, valid, face, valid, present, present, torch.eye(2)[yes], names)


# %%
example = pointing_clips(4, torch.Generator().manual_seed(seed))
for clip in range(4):
    pitches = "".join("+" if value > 0 else "-" for value in example.audio[clip, :, 0])
    nod = int(example.video[clip, :, 0].argmax()) + 1
    print(f"voice {pitches}, nod at {nod}: {'yes' if example.target[clip, 1] else 'no'}")

# %% [markdown]
# **Predict.** *Decision fusion* trains an expert for each stream and averages their answers. AuxFormer's fusion
# network lets the streams ask each other. After 400 small steps of training, how often is each of them right about new
# clips?

# %%
vote_guess = lab.predict("share of right answers, decision fusion")
ask_guess = lab.predict("share of right answers, fusion network")

# %% tags=["folded"]
from auxformer.models import shared_loss

dropouts = ("embed_dropout", "res_dropout", "relu_dropout", "out_dropout")
small = {"width": width, "heads": 4, "layers": 1, "aux_hidden": (16, 16)}
small |= {"audio_pool": 1, "video_pool": 1, "relative": False} | dict.fromkeys(dropouts, 0.0)


def train_on_pointing(name: str):
    """A small model, trained on fresh clips with AdamW and one cycle of the learning rate."""
    torch.manual_seed(seed)
    config = af.override(af.preset("default"), {"model": {"name": name, **small}}).model
    model, generator = af.create_model(name, config, 2, 2, 2), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(steps):
        batch = pointing_clips(64, generator)
        optimiser.zero_grad()
        shared_loss(model(batch), batch.target).backward()
        optimiser.step()
        schedule.step()
    return model.eval().requires_grad_(False)


def share_right(logits: torch.Tensor) -> float:
    """Logits `[B, C]` of the unseen clips -> share of right answers."""
    return (logits.argmax(1) == unseen.target.argmax(1)).float().mean().item()


voters, asker = train_on_pointing("decision-fusion"), train_on_pointing("auxformer")

# %%
unseen = pointing_clips(1000, torch.Generator().manual_seed(seed + 1))
answers = asker(unseen)  # the logits [B, 2] of its three heads: av, a, v
voted, asked = share_right(voters(unseen).mean()), share_right(answers.av)
vote_guess.against(round(10 * voted) / 10, digits=1)  # to the nearest tenth
ask_guess.against(round(10 * asked) / 10, digits=1)
lab.fact("decision fusion is within .06 of a coin", abs(voted - 0.5) < 0.06)
lab.fact("the fusion network is right more than 9 times in 10", asked > 0.9)
for head in ("a", "v"):
    coin = abs(share_right(getattr(answers, head)) - 0.5) < 0.06
    lab.fact(f"its own auxiliary head {head} is within .06 of a coin", coin)

# %% [markdown]
# Decision fusion is as good as a coin; the fusion network is right more than nine times in ten. More training would
# not help the two experts: of any voice, half of the clips are "yes", and of any nod, too. The best answer of each
# expert is .5, and so is every average of the two. The answer is in neither stream alone. It depends on which voice
# frame is at the same time as the nod.
#
# > **Moral.** Decision fusion averages what each stream says on its own. Neither stream alone knows a relation
# > between the two.

# %% [markdown]
# ## The network from above
#
# This is the network that answered, $f_{av}$. Each box is a part of `AuxFormer` with its name in the code; a shape
# stands where it changes. Both streams keep their frames until *summarise*.

# %% tags=["folded"]
from auxformer import plots

figure, axis = plt.subplots(figsize=(9.2, 3.1))
axis.set(xlim=(0, 12.4), ylim=(0.2, 3.8))
axis.axis("off")


def box(x: float, y: float, words: str, colour: str):
    """Words in a frame, its middle at (x, y)."""
    look = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": colour, "lw": 1.6}
    return axis.text(x, y, words, ha="center", va="center", fontsize=8.5, bbox=look, zorder=2)


def arrow(start, end, colour: str, line: str) -> None:
    """From one box to another."""
    edges = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    look = {"arrowstyle": "-|>", "color": colour, "linestyle": line, "lw": 1.4, **edges}
    axis.annotate("", end.get_position(), start.get_position(), arrowprops=look, zorder=3)


rows, out = {}, "side by side\n$[B, 2d]$\nMLP: proj1, proj2\nout_layer\n$[B, C]$"
joined = box(11.3, 2, out, "#333333")
for stream, s, other, y in (("voice", "a", "v", 3), ("face", "v", "a", 1)):
    boxes = {
        0.7: f"{stream}\n$[B, T_{s}, D_{s}]$",
        2.6: f"projection\nconv_1d_{s}\n$[B, T_{s}, d]$",
        5.2: f"{stream} asks the other\ntrans_{s}_with_{other}",
        7.6: f"asks itself\ntrans_{s}_mem",
        9.5: "summarise\n$[B, d]$",
    }
    colour = plots.WAY_STYLE[stream][0]
    rows[stream] = [box(x, y, words, colour) for x, words in boxes.items()]
for stream, other, line in (("voice", "face", "-"), ("face", "voice", "--")):
    row, colour = rows[stream], plots.WAY_STYLE[stream][0]
    for start, end in zip(row, [*row[1:], joined]):
        arrow(start, end, colour, line)
    arrow(row[1], rows[other][2], colour, line)
lab.show(
    figure,
    alt="Voice and face: each is projected, asks the other, asks itself, is summarised and joined.",
)
sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in asker.named_children()}
for name in ("conv_1d_a", "trans_a_with_v", "trans_a_mem", "proj1", "out_layer"):
    print(f"{name:<15}{sizes[name]:>6} weights")

# %% [markdown]
# **See** where the paths cross: the voice asks the face, the face asks the voice. Most weights are in the stacks.
# We build the boxes from left to right: *asking* is exercise 1, a *layer* of a stack exercise 2, *summarise* exercise 3.
# The two auxiliary networks beside this one are lesson 3.
#
# **Projections.** A frame of the voice has $D_a$ numbers, one of the face $D_v$, and they mean different things. A
# projection multiplies every frame by the same learned matrix, so that both become $d$ numbers that can be compared.
# **By hand**: the frame (1, 2) times the matrix with the rows (1, 0, 1) and (0, 1, 1) is $1·(1, 0, 1) + 2·(0, 1, 1) =
# (1, 2, 3)$. (A convolution over one frame at a time is the same product.) Attention has projections of its own:
# three turn frames into queries, keys and values (explained next), and a fourth mixes the heads.

# %% [markdown]
# ## Asking: attention by hand
#
# A **query** asks, every **key** answers how well it fits, and the **values** are averaged by that fit (Vaswani et al.
# 2017):
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\left(\frac{Q K^T}{\sqrt{d}}\right) V$$
#
# with $Q$ `[Tq, d]`, $K$ `[Tk, d]`, $V$ `[Tk, dv]`. The softmax runs along the *keys*: each query's weights sum to 1.
# In the package this is `MultiheadAttention.forward`, in $h$ heads side by side, and `MultiheadAttention.weights` for
# looking at.
#
# **By hand.** One query $(2, 0)$; keys $(2, 0)$, $(0, 2)$, $(-2, 0)$; values 10, 20, 30. The products are 4, 0, −4;
# divided by $\sqrt{2}$ they are 2.83, 0, −2.83. The softmax gives the weights .941, .056, .003, the answer 10.6.
#
# **Predict.** Leave the division out. What is the weight of the first key then?

# %%
sharp_guess = lab.predict("weight of the first key without the division")

# %%
query, keys = torch.tensor([[2.0, 0]]), torch.tensor([[2.0, 0], [0, 2], [-2, 0]])
values = torch.tensor([[10.0], [20], [30]])
products = query @ keys.T  # [1, 3]
for name, scores in (("divided", products / 2**0.5), ("undivided", products)):
    weights = scores.softmax(-1)  # [1, 3]
    shown = " ".join(f"{weight:.3f}" for weight in weights[0])
    print(f"{name}: weights {shown} answer {(weights @ values).item():.1f}")
sharp_guess.against(products.softmax(-1)[0, 0].item())

# %% [markdown]
# Two dimensions hide the trouble. The product of two random vectors of $d$ entries (mean 0, variance 1) has the standard
# deviation $\sqrt{d}$: the wider the network, the larger the scores. Each bar is a random key of 256 entries. The slider
# says how many of its entries are used: the first $d$.


# %% tags=["folded"]
generator = torch.Generator().manual_seed(seed)
random_query = torch.randn(256, generator=generator)
random_keys = torch.randn(24, 256, generator=generator)


def draw_weights(width: int, divide: str):
    """Weights of 24 random keys for one random query, of which `width` entries are used."""
    products = random_keys[:, :width] @ random_query[:width]  # [24]
    scores = products / (width**0.5 if divide == "yes" else 1)
    figure, axis = plt.subplots(figsize=(6.4, 2.4))
    axis.bar(range(1, 25), scores.softmax(0).numpy(), color=plots.WAY_STYLE["voice"][0])
    axis.set(
        xlabel="key", ylabel="weight", ylim=(0, 1), title=f"d = {width}, divided by √d: {divide}"
    )
    return figure


lab.explorer(
    draw_weights,
    alt="Bars: attention weights of 24 random keys, spread when divided, one bar near 1 when not.",
    live=True,
    width=(1, 256, 128),
    divide=["no", "yes"],
)
queries, keys = (torch.randn(count, 256, generator=generator) for count in (200, 24))
products = queries @ keys.T  # [200, 24]
for how, below, scores in (("divided", True, products / 16), ("undivided", False, products)):
    largest = scores.softmax(-1).amax(-1).mean()
    side = "below" if below else "above"
    lab.fact(f"d = 256, {how}: the largest of 24 weights is {side} .5", (largest < 0.5) == below)

# %% [markdown]
# **See**, at d = 128 and not divided, how one bar takes nearly everything. At a small d it does not. Where it
# does, the query averages nothing, and its softmax has almost no gradient to learn from.
#
# **Masks.** Clips of a batch have different lengths; the short ones are filled up. A filled-up frame must not be
# asked. Its weight has to be 0, *and* the other weights have to sum to 1: so its score becomes $-\infty$ before the
# softmax. A score of 0 is not enough: $e^0 = 1$ still gives it weight.

# %% [markdown] exercise="attention" difficulty=2 importance=5 minutes=12
# ### Exercise 1 · Attention with a mask
# `query` is `[B, Tq, d]`, `key` `[B, Tk, d]`, `value` `[B, Tk, dv]`, `visible` `[B, Tk]`, True for keys that may be
# asked (at least one per clip). Return the answers, `[B, Tq, dv]`. Write it with `@` and softmax, not with a ready
# attention function.
#
# HINT Work on the scores `[B, Tq, Tk]` first. Which of the tensors has to be transposed, and in which two axes?
#
# HINT `transpose(1, 2)` swaps the last two axes of a batch. The mask needs an axis for the queries: `visible[:, None]`.
#
# HINT `scores.masked_fill(condition, -torch.inf)` fills where the condition is True; then softmax along the last axis.


# %% exercise="attention"
def attention(query, key, value, visible) -> torch.Tensor:
    """Queries, keys `[B, T, d]`, values `[B, Tk, dv]`, mask `[B, Tk]` -> `[B, Tq, dv]`."""
    # SOLUTION
    similarity = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5  # [B, Tq, Tk]
    similarity = similarity.masked_fill(~visible[:, None], -torch.inf)
    return similarity.softmax(-1) @ value
    # END


# %%
lesson2.attention(attention)

# %% [markdown]
# > **Moral.** Attention is a weighted average. In a wide network it needs the division, or one key takes most of the
# > weight. It needs the mask, or it averages padding.

# %% [markdown]
# ## Where is the order?
#
# **Predict.** We put the keys (with their values) in another order. Does the answer of attention change?

# %%
order_guess = lab.predict(
    "the answer after shuffling keys and values together",
    choices=["changes", "stays the same", "is shuffled, too"],
)

# %%
from auxformer.models.layers import Layer, sinusoidal_positions, summarise

generator = torch.Generator().manual_seed(seed)
question, source = (torch.randn(1, count, 16, generator=generator) for count in (5, 9))
shuffled = source[:, torch.randperm(9, generator=generator)]


def answer_to(source: torch.Tensor) -> torch.Tensor:
    """Answers of nine frames `[1, 9, 16]` to the five questions."""
    return attention(question, source, source, torch.ones(1, 9, dtype=torch.bool))


placed = [x + sinusoidal_positions(x) for x in (source, shuffled)]
same = torch.allclose(answer_to(source), answer_to(shuffled), atol=1e-5)
lab.fact("without positions the answer stays the same", same)
same = torch.allclose(*map(answer_to, placed), atol=1e-5)
lab.fact("with positions it changes", not same)
print("you said:", order_guess.value)

# %% [markdown]
# It stays the same. Attention sees a *set* of frames: a melody and the same melody backwards look alike to it. So a
# **position** is added to each frame: sines and cosines of its index, from a wavelength of $2\pi$ frames to 20,000π
# (`sinusoidal_positions`). The published network adds them in its cross-modal stacks only, ours in all of them.
#
# > **Moral.** Attention by itself ignores the order of the frames. If order matters, add positions.

# %% [markdown]
# ## One step of a stack
#
# A layer does two things in turn: it *asks* (attention) and it *thinks* (a small network, frame by frame). Two
# helpers keep a deep stack of layers trainable.
#
# **LayerNorm** brings each frame to one scale. From its $d$ numbers it subtracts their mean, and divides by their
# standard deviation; each of the $d$ then gets a learned factor and a learned shift. **By hand**: (1, 3, 5, 7) has
# the mean 4 and the deviation $\sqrt{5}$, and becomes (−1.34, −.45, .45, 1.34). (10, 30, 50, 70) becomes the same. No
# other frame is used.
#
# **Residual.** A layer adds to its input and does not replace it: $x + f(x)$. Where $f$ is zero, $x$ goes through as
# it is. In training the gradient also goes back along the plain sum, past any number of layers.
#
# With $x$ `[Tq, d]` the stream that asks and $s$ `[Tk, d]` the one that is asked:
#
# $$x \leftarrow x + \mathrm{Attention}(\mathrm{LN}_1(x), \mathrm{LN}_1(s), \mathrm{LN}_1(s))$$
#
# $$x \leftarrow x + W_2\,\mathrm{relu}(W_1\,\mathrm{LN}_2(x))$$
#
# In code: `Layer.forward`, where $\mathrm{LN}_1$ is `layer_norms[0]`, $\mathrm{LN}_2$ is `layer_norms[1]`, $W_1$ and
# $W_2$ are `fc1` and `fc2` (with their biases). Three details are easily overlooked:
#
# - the normalisation comes *before* attention ("pre-norm"); the $x$ that is added to is not normalised;
# - both streams go through the *same* $\mathrm{LN}_1$;
# - in a cross-modal stack $s$ is the other stream's *input*, the same at every layer: the voice asks the face at each
#   layer, and the face does not change meanwhile.
#
# AuxFormer has two cross-modal stacks, voice asking face (a←v) and face asking voice (v←a). Each is followed by a
# self-attention stack ($s = x$), and in *those* the plain sum is replaced by a blend with one learned number per layer,
#
# $$x \leftarrow \alpha\,x + (1 - \alpha)\,\mathrm{branch},$$
#
# the same α for asking and for thinking. **By hand**: $x = 4$, branch $= 2$, $\alpha = 0.75$: the sum is 6, the blend
# 3.5. **Predict.** What does a layer with $\alpha = 1$ do?

# %%
alpha_guess = lab.predict(
    "a layer with α = 1",
    choices=["nothing: it returns its input", "doubles its input", "forgets its input"],
)

# %% [markdown] exercise="layer_step" difficulty=3 importance=5 minutes=15
# ### Exercise 2 · One layer, step by step
# `layer` has the parts named above and `layer.self_attn(query, source)`, the multi-head attention (keys and values are
# its second argument). `x` is `[B, Tq, d]`, `source` `[B, Tk, d]`. `alpha` is a number, or None for a plain sum.
# Return the new `x`, `[B, Tq, d]`. No dropout.
#
# HINT Two branches, each computed from something normalised, each joined to something that is not.
#
# HINT Write the joining once, as a small inner function of the residual and the branch; `alpha` is used in no other place.
#
# HINT The second branch starts from the *new* x. `torch.relu` stands between `fc1` and `fc2`.


# %% exercise="layer_step"
def layer_step(layer, x: torch.Tensor, source: torch.Tensor, alpha=None) -> torch.Tensor:
    """One layer: ask the source, then think. `[B, Tq, d]`, `[B, Tk, d]` -> `[B, Tq, d]`."""

    # SOLUTION
    def join(residual, branch):
        return residual + branch if alpha is None else alpha * residual + (1 - alpha) * branch

    asked = layer.self_attn(layer.layer_norms[0](x), layer.layer_norms[0](source))
    x = join(x, asked)
    thought = layer.fc2(torch.relu(layer.fc1(layer.layer_norms[1](x))))
    return join(x, thought)
    # END


# %%
lesson2.layer_step(layer_step)
torch.manual_seed(seed)
eight_wide = af.override(af.preset("default"), {"model": {"width": 8, "heads": 2}}).model
layer = Layer(8, eight_wide, attn_dropout=0.0, mixed=False).eval()
x = torch.randn(1, 4, 8)
with torch.no_grad():
    lab.fact("α = 1: the layer returns its input", torch.allclose(layer_step(layer, x, x, 1.0), x))
    untouched = x
    for _ in range(5):
        untouched = layer_step(layer, untouched, untouched, 0.5)
    kept = (untouched * x).sum() / (x * x).sum()  # how much of x is still in there, about
    lab.fact("α = .5, five layers: most of the input has faded", kept.abs() < 0.5)
print("you said:", alpha_guess.value)

# %% [markdown]
# With $\alpha = 1$ a layer does nothing. With α below 1 the input *fades*: after $L$ layers its share is
# $\alpha^{2L}$. The authors start α between 0 and 1 at random; with five layers and $\alpha = 0.5$ a thousandth of
# the input is left beside what the branches add.
#
# Now your two functions replace the package's in the network that answered the question of the nods: `layer_step`
# computes every layer, `attention` every head.

# %% tags=["folded"]
from unittest.mock import patch

from auxformer.models.layers import MultiheadAttention


def ask(self, query, source, visible=None):
    """`MultiheadAttention.forward` by your `attention`: the heads side by side as so many clips."""
    q, k, v = (self._split(x).flatten(0, 1) for x in self._project(query, source))  # [B·h, T, d/h]
    answer = attention(q, k, v, torch.ones(k.shape[:2], dtype=torch.bool))  # no frame is padding
    return self.out_proj(answer.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2))


def step(self, x, source=None, visible=None, answered=None):
    """`Layer.forward` by your `layer_step`."""
    return layer_step(self, x, x if source is None else source, self.alpha)


with patch.object(MultiheadAttention, "forward", ask), patch.object(Layer, "forward", step):
    yours = asker(unseen).av
lab.fact(
    "with your layers the network answers as before", torch.allclose(yours, answers.av, atol=1e-4)
)

# %% [markdown]
# > **Moral.** A residual connection keeps its whole input; a blend keeps a learned share of it.

# %% [markdown]
# ## What did it ask for?
#
# Back to the nods. The fusion network has learned to answer; `AuxFormer.fusion(..., record={})` records its
# attention. In the stack a←v each of the six *voice* frames asks the six *face* frames. **Predict.** Which face frame
# gets the most weight: the one at the same time, the nod, or does each get a sixth?

# %%
map_guess = lab.predict(
    "the voice asks the face frame",
    choices=["at the same time", "with the nod", "all alike"],
)

# %%
maps = {}
asker.fusion(*asker.inputs(unseen), unseen, record=maps)
weights = maps["a<-v"][0].mean(1)  # [B, Tq, Tk], mean over the heads
nods = unseen.video[..., 0].argmax(1)  # [B]
at_nod = weights[torch.arange(len(nods)), :, nods].mean()
same_time = weights.diagonal(dim1=1, dim2=2).mean()
print("you said:", map_guess.value, "| a sixth is", round(1 / 6, 2))
lab.fact("the nod gets more than .25", at_nod > 0.25)
lab.fact("the same time gets less than the nod", same_time < at_nod)


# %% tags=["folded"]
def draw_map(clip: int, direction: str, head: str):
    """One clip's attention map beside what the streams hold."""
    weights = maps[direction][0][clip]  # [h, Tq, Tk]
    weights = (weights.mean(0) if head == "mean" else weights[int(head) - 1]).numpy()
    asks, asked = ("voice", "face") if direction == "a<-v" else ("face", "voice")
    streams = {
        "voice": unseen.audio[clip, :, 0].numpy(),
        "face": unseen.video[clip, :, 0].numpy(),
    }
    figure, (left, right_) = plt.subplots(1, 2, figsize=(7.2, 2.8), width_ratios=(1.2, 1))
    for name, values in streams.items():
        colour, marker, _ = plots.WAY_STYLE[name]
        left.plot(range(1, 7), values, color=colour, marker=marker, label=name)
    left.set(xlabel="syllable", ylabel="feature", ylim=(-4, 5.5))
    left.legend(ncols=2, loc="upper left")
    left.set_title("answer: " + ("yes" if unseen.target[clip, 1] else "no"))
    picture = right_.imshow(weights, vmin=0, vmax=1, cmap="cividis", extent=(0.5, 6.5, 6.5, 0.5))
    right_.set(xlabel=f"asked: {asked} frame", ylabel=f"asks: {asks} frame", title=f"head: {head}")
    figure.colorbar(picture, ax=right_, label="weight")
    return figure


lab.explorer(
    draw_map,
    alt="Left: pitch of six syllables and the nod. Right: attention map of the chosen head.",
    clip=(0, 9, 0),
    direction=["a<-v", "v<-a"],
    head=["mean", "1", "2", "3", "4"],
)
for clip in range(3):
    print(f"clip {clip}: nod at {int(nods[clip]) + 1}")

# %% [markdown]
# **See** the brighter *column* at the nod in the map a←v: on average voice frames look at the nod more than at the
# face frame of the same time. The mean over heads hides how. Choose single heads: from which syllables does each of
# them look mostly at the nod?

# %%
pitch = unseen.audio[..., 0]  # [B, Tq], high above 0
looks = (
    maps["a<-v"][0].argmax(-1) == nods[:, None, None]
)  # [B, h, Tq]: the nod gets the largest weight
looks = looks.float().transpose(0, 1)  # [h, B, Tq]
from_low = torch.stack([head[pitch < 0].mean() for head in looks])  # [h]
from_high = torch.stack([head[pitch > 0].mean() for head in looks])
lab.fact(
    "one head looks at the nod from nine low syllables in ten, from no high one",
    ((from_low > 0.9) & (from_high < 0.1)).any().item(),
)
lab.fact(
    "another does so from nine high syllables in ten, from no low one",
    ((from_high > 0.9) & (from_low < 0.1)).any().item(),
)

# %% tags=["nbval-ignore-output"] reason="the digits of trained networks differ between machines"
print("share of the syllables that look mostly at the nod, by head")
print("low: ", from_low.numpy().round(2), "\nhigh:", from_high.numpy().round(2))

# %% [markdown]
# The heads are *complementary*. Some of them look at the nod from low syllables only, another one from high syllables
# only. The mean over the heads does not show this division of work. So several heads can do different jobs, and a map
# of their mean can mislead.
#
# **Where it goes wrong.** It is tempting to read such a map as *the* explanation. Here we know what the right answer
# needs, and still no map shows the decision itself. Another seed may solve the task with other maps.
#
# > **Moral.** An attention map shows where a network looked, not what it concluded.

# %% [markdown]
# ## One vector per clip
#
# The stacks return `[T, d]` frames; the classifier needs one vector. The published network takes the **last** frame;
# ours the **mean** of the valid ones (`summarise`). "Last" is a trap: in a batch, a short clip's last frame is
# *padding*.
#
# **By hand.** The frames are 7, 8, 9, the mask True, True, False. The last frame is 9, the last *valid* one 8, the
# mean 7.5.

# %% [markdown] exercise="summarise_last_valid" difficulty=3 importance=3 minutes=10
# ### Exercise 3 · The last valid frame
# `x` is `[B, T, d]`, `mask` `[B, T]`, True where a frame is valid; each clip has at least one. Lost frames may leave
# holes: `True, False, True, False` has its last valid frame at index 2. Return `[B, d]`, without a loop over clips.
#
# HINT Counting the valid frames is not enough when there are holes. What grows with the position and vanishes where the mask is
# False?
#
# HINT Multiply the mask by the positions 0 … T−1. Where is the largest product of a row?
#
# HINT Choosing one frame per clip: `x[torch.arange(B), index]` with an index `[B]`.


# %% exercise="summarise_last_valid"
def summarise_last_valid(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Frames `[B, T, d]` and their mask `[B, T]` -> the last valid frame of each clip, `[B, d]`."""
    # SOLUTION
    places = mask * torch.arange(x.shape[1])  # [B, T]
    return x[torch.arange(len(x)), places.amax(1)]
    # END


# %%
lesson2.summarise_last_valid(summarise_last_valid)
x, mask = torch.tensor([[[7.0], [8], [9]]]), torch.tensor([[True, True, False]])
print("last:", x[0, -1].item(), "| last valid:", summarise_last_valid(x, mask).item())
print("mean:", summarise(x, mask, "mean").item())

# %% [markdown]
# That is all of $f_{av}$. Go back to the drawing and read it as code, `AuxFormer.fusion`: a line or two for each box.
# The last box is a residual again, `z + proj2(relu(proj1(z)))`, over both summaries side by side.
#
# > **Moral.** A summary that depends on padding depends on the other clips of the batch.

# %% [markdown]
# ## Puppets whose lips and voice are out of step
#
# In a badly dubbed film, voice and face are out of step. Our puppets have a setting for it, *binding*: in a share of
# the clips voice and face are more than 300 ms out of step, and the (simulated) raters then follow the voice alone. In
# about half of these clips the lips come first, in the others the voice.
# We make a tiny corpus with about half of its clips out of step. We measure how much the mouth region moves, how loud
# the voice is, and which shift makes the two curves fit best.
#
# **Predict.** Can you tell, from those two curves alone, which clips are out of step?

# %%
lag_guess = lab.predict("share of clips sorted correctly by the best shift")

# %% tags=["folded"]
from auxformer.media import read_audio, read_frames


def standardised(values: np.ndarray) -> np.ndarray:
    """Zero mean, unit deviation."""
    return (values - values.mean()) / (values.std() + 1e-9)


def mouth_and_voice(clip: str) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the mouth region from its usual look, and loudness, per video frame `[T]`."""
    frames = read_frames(corpus.clips.video[clip])[0].mean(-1)  # [T, H, W], grey
    height, breadth = frames.shape[1:]
    rows, columns = (
        slice(int(0.6 * height), int(0.9 * height)),
        slice(int(0.35 * breadth), int(0.65 * breadth)),
    )
    mouth = frames[:, rows, columns]
    mouth = np.abs(mouth - np.median(mouth, axis=0)).mean((1, 2))  # [T]
    waveform = read_audio(corpus.clips.audio[clip], 16000)
    block = len(waveform) // len(mouth)
    blocks = waveform[: block * len(mouth)].reshape(len(mouth), block)
    return standardised(mouth), standardised(np.sqrt((blocks**2).mean(1)))


def fit(mouth: np.ndarray, voice: np.ndarray, shift: int) -> float:
    """How well the two curves fit when the mouth is taken to run `shift` video frames late."""
    length = len(mouth)
    late = mouth[max(0, shift) : length + min(0, shift)]
    return float(np.mean(late * voice[max(0, -shift) : length - max(0, shift)]))


def best_shift(mouth: np.ndarray, voice: np.ndarray, largest: int = 20) -> int:
    """Video frames by which the mouth runs late: where the two curves fit best."""
    return max(range(-largest, largest + 1), key=lambda shift: fit(mouth, voice, shift))


# %%
corpus = lab.open_corpus("tiny", seed, binding=binding)
clips = list(corpus.truth.index[:72])
bound = corpus.truth.bound[clips]
curves = {clip: mouth_and_voice(clip) for clip in clips}
shifts = bound.index.to_series().map(lambda clip: 40 * best_shift(*curves[clip]))  # ms, 25 frames/s
sorted_right = ((shifts.abs() < 200) == bound).mean()
lag_guess.against(round(10 * sorted_right) / 10, digits=1)  # to the nearest tenth
for in_step, group in shifts.abs().groupby(bound):
    step = "in step" if in_step else "out of step"
    print(f"{step}: {len(group)} clips, median shift {group.median():.0f} ms")


# %% [markdown]
# Do it by hand. Drag *shift* until the two curves fit best: the title says how well. The shift counts video frames,
# 40 ms each, by which the mouth is drawn earlier.


# %% tags=["folded"]
def draw_clip(shift: int, number: int, step: str):
    """Mouth and loudness of one clip, the mouth drawn `shift` video frames earlier."""
    chosen = [clip for clip in clips if bound[clip] == (step == "in step")][number]
    figure, axis = plt.subplots(figsize=(7.2, 2.6))
    seconds = np.arange(len(curves[chosen][0])) / 25
    moved = {"face": seconds - shift / 25, "voice": seconds}
    for (way, x), values in zip(moved.items(), curves[chosen]):
        colour, marker, _ = plots.WAY_STYLE[way]
        axis.plot(x, values, color=colour, marker=marker, markersize=3, label=way)
    words = f"{step}, the mouth {40 * shift} ms earlier: fit {fit(*curves[chosen], shift):.2f}"
    axis.set(xlabel="s", ylabel="standardised", xlim=(0, seconds[-1]), ylim=(-3, 5), title=words)
    axis.legend(ncols=2, loc="upper left")
    return figure


lab.explorer(
    draw_clip,
    alt="Movement of the mouth and loudness of the voice over time, one slid along the other.",
    live=True,
    shift=(-20, 20, 0),
    number=(0, 20, 0),
    step=["out of step", "in step"],
)
lab.fact("the best shift sorts more than 8 in 10 clips correctly", sorted_right > 0.8)

# %% [markdown]
# **See** that the curves of a clip in step fit at a shift near zero, those of a clip out of step only after you have
# dragged them. Two numbers per frame are enough to sort most of the clips, but both curves are needed *before*
# anything is averaged. Decision fusion gets a class from the ear and a class from the eye, which no longer say
# whether the two were in step.
#
# Can a network find the lag as you did? It gets two windows of a clip, apart by a lag that is drawn at random, and has
# to say which, by sliding one along the other (`models/synchrony.py`). Nobody tells it which clips are out of step: in
# about half of them the lag that it is taught is wrong. It learns from four puppets and is asked about the two
# others.

# %%
from auxformer.data.batch import collate

split = lab.open_task(corpus, audio="lld", video="hog").split(0)
task = lab.learn_synchrony(split, epochs=15, seed=seed)
unseen_clips = [data[index] for data in (split.dev, split.test) for index in range(len(data))]
with torch.no_grad():
    answer = task(collate(unseen_clips))
names = [clip[0] for clip in unseen_clips]
in_step, true = answer.probability().numpy(), corpus.truth.bound[names].to_numpy()
lags = 40 * answer.lag().numpy()  # ms by which the face comes later; a step is 40 ms
found = {name: (lags[place], in_step[place]) for place, name in enumerate(names)}
print("ms by which the face comes later, to the nearest 200:")
for name in ("1002_IWW_HAP_XX", "1002_IEO_FEA_LO", "1002_IEO_DIS_HI"):
    if name in found and name in shifts:
        lag, hand = (200 * round(ms / 200) for ms in (found[name][0], shifts[name]))
        word = "likely" if found[name][1] > 0.5 else "unlikely"
        print(f"{name}: {lag:+} (best shift {hand:+}), in step: {word}")
print(len(names), "clips of two puppets that it never saw,", true.sum(), "of them in step")
more = in_step[true].mean() - in_step[~true].mean()
lab.fact("in step is likelier, by .15 or more, where it is true", more > 0.15)
lab.fact("it sorts more than 6 in 10 of them correctly", ((in_step > 0.5) == true).mean() > 0.6)

# %% [markdown]
# **See** three clips on which the network's likeliest lag is near the best shift of the two curves, one of them in step.
# They were chosen because five seeds of the network agree on them; on others they do not. Four puppets are few to
# learn from.
#
# Whether a network that fuses in time also learns this from the labels of *emotions* has to be measured. On such
# puppets AuxFormer reaches .781<!-- synchrony: auxformer, complete --> where
# .994<!-- synchrony: ideal-observer, complete --> is possible. With the lag as one more auxiliary task (`auxformer bench
# synchrony`) it reaches .873<!-- synchrony: auxformer with synchrony, complete -->, which is
# .092<!-- synchrony: auxformer with synchrony - auxformer, complete --> more
# (p .0005<!-- synchrony: auxformer with synchrony ~ auxformer, complete -->; three seeds). With the face alone no
# difference is shown (p .22<!-- synchrony: auxformer ~ auxformer with synchrony, no-audio -->).
#
# > **Moral.** Whether voice and face are in step can only be seen from both streams together.

# %% [markdown]
# ## What to take away
#
# - Decision fusion cannot express a relation between streams: it has one answer for each. A network that gets both
#   streams can; cross-modal attention relates their single frames.
# - Attention is a weighted average. The division by $\sqrt{d}$ keeps one key from taking all, the mask keeps padding
#   out, positions bring in time.
# - A cross-modal layer asks the other stream's *input*; residual and branch are added, or blended by α.
# - Attention maps show where a network looked. Treat them as a hint, and look at single heads.
# - The last frame of a batch row may be padding; ask for the last *valid* one, or for the mean.

# %% [markdown]
# ## Five questions
#
# QUESTION Would decision fusion solve the nodding task with more data, or with experts ten times larger?
#
# ANSWER No. Given the voice alone both answers are equally likely, and given the face alone, too. The best possible
# experts say .5 each, and no function of (.5, .5) can tell the two apart.
#
# QUESTION Why is a masked score $-\infty$ and not 0, and why not simply set the weight to 0 after the softmax?
#
# ANSWER A score of 0 still adds $e^0 = 1$ to the sum of the softmax. Zeroing weights afterwards leaves the rest
# summing to less than 1: the answer shrinks with the amount of padding.
#
# QUESTION A colleague forgets the positions, and the model still beats chance on emotions. How can that be?
#
# ANSWER Much of emotion is in averages (loud, high, smiling), which do not depend on order. The model only loses
# differences that lie in the course over time, such as a rising against a falling contour.
#
# QUESTION In the cross-modal stack the keys come from the other stream's input at every layer. What would change if they
# came from the other stack's current output?
#
# ANSWER The two stacks would depend on each other at each layer and could not be computed separately; after one layer
# the "face" that the voice asks would already contain voice.
#
# QUESTION When the face is absent altogether, what should the voice's question return?
#
# ANSWER Nothing: the branch is zero and the residual passes unchanged (`answered` in `Layer.forward`). An average
# over no frames does not exist, and an average over zeros would be an answer without a face.

# %% [markdown]
# ## Read next
#
# - Vaswani et al. 2017, *Attention is all you need*, section 3.2: scaled dot-product attention, with the footnote on
#   why the variance grows with $d$.
# - Tsai et al. 2019, *Multimodal transformer for unaligned multimodal language sequences* (ACL), section 3: the
#   cross-modal stacks that AuxFormer starts from.
# - Jain & Wallace 2019, *Attention is not explanation* (NAACL), sections 1 and 4: what not to read into maps.
#
# Next: [Lesson 3](03_auxiliary_networks.ipynb), the two networks beside this one.

# %% tags=["nbval-ignore-output"] reason="seconds and library versions belong to the machine"
lab.versions(seed)
