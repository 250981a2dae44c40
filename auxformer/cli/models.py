"""auxformer models, cost, parity, convert: what the networks are, and the authors' form of ours."""

import math
import textwrap
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.cli.options import Wide

app = typer.Typer()

AudioDims = Annotated[int, Option(min=1, help="Width of the audio features.")]
VideoDims = Annotated[int, Option(min=1, help="Width of the video features.")]


@app.command("models")
def models(
    name: Annotated[str | None, Argument(help="A model or a law; all models when none is given.")] = None,
    audio_dims: AudioDims = 130,
    video_dims: VideoDims = 4096,
    classes: Annotated[int, Option(min=2, help="Number of classes, for the parameters.")] = 6,
    wide: Wide = False,
):
    """The models there are, or the card of one, or of a training law ("ogm-ge"): source, parameters, what it does when a stream
    is missing, deviations.

    Example: auxformer models mmin
    """
    from auxformer.benchmark.cost import count_parameters
    from auxformer.cli.tables import show
    from auxformer.config import preset
    from auxformer.models import card_of, list_models
    from auxformer.models.balance import LAWS

    def parameters(model: str, settings: str) -> str:
        return f"{count_parameters(model, preset(settings).model, audio_dims, video_dims, classes):,}"

    if name is None:
        rows = []
        for model, line in list_models().items():
            published = card_of(model).published
            sizes = parameters(model, "default"), parameters(model, published) if published else ""
            rows.append((model, sizes[0], line, published, sizes[1]))
        columns = ["model", "parameters", "what it is", "published preset", "its parameters"]
        show(rows, columns, wide=wide, text="what it is")
        return
    rows = []
    if name in LAWS:
        card = LAWS[name]
        rows.append(("what", f"a law of training: --set training.balance={name}"))
    else:
        card = card_of(name)
        presets = ["default", *([card.published] if card.published else [])]
        sizes = ", ".join(f"{parameters(name, settings)} (preset {settings})" for settings in presets)
        rows.append(("parameters", sizes))
    rows += [("source", card.source), ("a stream missing", card.missing), ("deviations", card.deviations)]
    show(rows, [name, " "], wide=wide, text=" ")


@app.command("cost")
def cost(
    preset: Annotated[str, Option(help="Preset whose model is priced.")] = "default",
    audio_dims: AudioDims = 130,
    video_dims: VideoDims = 4096,
    audio_frames: Annotated[int, Option(min=1, help="Audio frames of a clip.")] = 250,
    video_frames: Annotated[int, Option(min=1, help="Video frames of a clip.")] = 75,
    clips: Annotated[int, Option(min=1, help="Clips in a batch, for the memory.")] = 32,
    wide: Wide = False,
):
    """Parameters, operations per clip and memory per batch, by stack. Nothing is computed.

    Example: auxformer cost --preset paper
    """
    import auxformer.config
    from auxformer.benchmark.cost import cost_table
    from auxformer.cli.tables import show

    model = auxformer.config.preset(preset).model
    frames = {"audio_frames": audio_frames, "video_frames": video_frames, "clips": clips}
    rows = cost_table(model, audio_dims, video_dims, **frames).itertuples()
    rows = [(row.Index, f"{row.parameters:,}", f"{row.mflops:,.1f}", f"{row.saved_mb:,.1f}") for row in rows]
    show(rows, ["part", "parameters", "mflops", "saved_mb"], wide=wide)
    print(f"mflops: forward, of a clip of {audio_frames} audio and {video_frames} video frames;")
    print(f"saved_mb: kept of {clips} clips for backward")


@app.command("parity")
def parity(files: Annotated[list[Path], Argument(help="Parity vectors (safetensors).")]):
    """Largest difference per tensor against parity vectors; exit 1 above 1e-5 (gradient norm: 1e-4, relative).

    Example: auxformer parity tests/parity/*.safetensors
    """
    from auxformer.models.authors import parity as differences_of

    worst = 0.0
    for file in files:
        differences = differences_of(file)
        print(f"{file}:")
        pairs = ", ".join(f"{name}={value:.1e}" for name, value in differences.items())
        print(textwrap.fill(pairs, 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
        found = [differences.pop("grad_norm") / 10, *differences.values()]
        worst = max([worst, *(math.inf if math.isnan(value) else value for value in found)])
    print(f"largest difference {worst:.1e}: {'within' if worst <= 1e-5 else 'ABOVE'} 1e-5")
    raise typer.Exit(0 if worst <= 1e-5 else 1)


@app.command("convert")
def convert(
    checkpoint: Annotated[Path, Argument(help="The authors' .pt, .pth or .safetensors file.")],
    out: Annotated[Path, Argument(help="File to write (safetensors).")],
    heads: Annotated[int, Option(help="Attention heads; no tensor tells.")] = 10,
    attn_mask: Annotated[bool, Option(help="Whether it was trained with the causal mask.")] = True,
):
    """The authors' checkpoint to safetensors, without running any code in the file.

    Example: auxformer convert authors_checkpoint.pt auxformer.safetensors
    """
    from auxformer.models.authors import convert as convert_checkpoint

    model = convert_checkpoint(checkpoint, out, heads, attn_mask)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{out}: {count:,} parameters, width {model.config.width}, {model.config.layers} layers")
