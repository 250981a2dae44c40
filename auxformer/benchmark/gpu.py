"""What a GPU does for AuxFormer: a training step in several precisions, compiled, recorded as a graph; large batches; transfers.

A step is timed as a user meets it, with the time that Python takes to hand its operations out. Nothing here runs without a GPU.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F

from auxformer.config import preset
from auxformer.data.batch import Batch
from auxformer.errors import InputError
from auxformer.models import create_model, shared_loss
from auxformer.training.fit import make_optimizer

SHAPES = {"paper": (250, 130, 75, 4096), "default": (250, 130, 75, 288)}
"""Preset -> audio frames and their width, video frames and their width: VGG-Face's features for one, `hog` for the other."""
STEPS = ("float32", "tf32", "bf16", "bf16, compiled", "bf16, graph")
"""How a training step is computed. The first is as precise as a processor; a graph is recorded once and replayed as a whole."""
BATCHES = (32, 128, 512)
"""Clips in a batch."""
COLUMNS = ("what", "preset", "setting", "clips", "milliseconds", "clips_per_second", "peak_mib", "note")
"""Of the table."""


def measure_gpu(repeats: int = 10, presets: Sequence[str] = tuple(SHAPES), compiling: bool = True) -> Iterator[dict]:
    """One row per measurement, as it is made: see `COLUMNS`, the GPU's name, and torch's version.

    `milliseconds` is the median, `peak_mib` the most memory in use; `note` says why something could not be measured here.

    Args:
        repeats: Timed repetitions of each, after three that warm up.
        presets: Of `SHAPES`.
        compiling: Whether the compiled step, which takes a minute before it begins, is among them.

    Raises:
        InputError: There is no GPU.
    """
    if not torch.cuda.is_available():
        raise InputError("this machine has no GPU that torch can use: there is nothing to measure.")
    about = {"device": torch.cuda.get_device_name(0), "torch": torch.__version__}
    for name in presets:
        for part in (_transfers, _steps, _batches, _inference):
            for row in part(name, repeats, compiling):
                yield dict(zip(COLUMNS, row)) | about


def wait() -> None:
    """Wait for a GPU, which only takes orders; a processor is done when a call returns."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(step: Callable) -> float:
    """Time of one step."""
    wait()
    started = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - started


def random_batch(clips: int, audio_frames: int, audio_dims: int, video_frames: int, video_dims: int) -> Batch:
    """Random features on the processor, every frame valid."""
    draw = torch.Generator().manual_seed(0)
    audio = torch.randn(clips, audio_frames, audio_dims, generator=draw)
    video = torch.randn(clips, video_frames, video_dims, generator=draw)
    masks = [torch.ones(stream.shape[:2], dtype=torch.bool) for stream in (audio, video)]
    present = torch.ones(clips, dtype=torch.bool)
    target = F.one_hot(torch.arange(clips) % 6, 6).float()
    return Batch(audio, masks[0], video, masks[1], present, present, target, tuple(map(str, range(clips))))


def training_step(name: str, batch: Batch, setting: str = "float32", device: str = "cuda") -> Callable[[], None]:
    """A function that makes one training step on a batch; `setting` is one of `STEPS`."""
    config = preset(name)
    audio_dims, video_dims = SHAPES[name][1::2]
    torch.manual_seed(0)
    network = create_model("auxformer", config.model, audio_dims, video_dims, 6).to(device).train()
    model = torch.compile(network) if "compiled" in setting else network
    optimizer, batch = make_optimizer(network, config.training), batch.to(device)
    half, tf32 = "bf16" in setting, setting != "float32"

    def step():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=half, cache_enabled="graph" not in setting):
            logits = model(batch)
        logits = logits._replace(**{head: getattr(logits, head).float() for head in ("av", "a", "v")})
        shared_loss(logits, batch.target, config.training.loss_weights).backward()
        if config.training.clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.training.clip)
        optimizer.step()

    return _recorded(step, optimizer) if "graph" in setting else step


def _recorded(step: Callable[[], None], optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """A step as a CUDA graph: recorded once, replayed without Python handing out every operation."""
    for group in optimizer.param_groups:
        group["capturable"] = True  # its count of steps lies on the GPU
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is allocated on the first steps must not be part of the recording
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _steps(name: str, repeats: int, compiling: bool) -> Iterator[tuple]:
    batch = random_batch(32, *SHAPES[name])
    for setting in STEPS:
        if compiling or "compiled" not in setting:
            yield _row("training step", name, setting, 32, partial(training_step, name, batch, setting), repeats)
    yield _row("training step", name, "processor, float32", 32, partial(training_step, name, batch, device="cpu"), 3)


def _batches(name: str, repeats: int, compiling: bool) -> Iterator[tuple]:
    for clips in BATCHES:
        yield _row("batch", name, "bf16", clips, partial(training_step, name, random_batch(clips, *SHAPES[name]), "bf16"), repeats)


def _inference(name: str, repeats: int, compiling: bool) -> Iterator[tuple]:
    model = create_model("auxformer", preset(name).model, *SHAPES[name][1::2], 6).to("cuda").eval()
    batch = random_batch(512, *SHAPES[name]).to("cuda")

    def make(setting: str) -> Callable[[], None]:
        @torch.no_grad()
        def forward():
            torch.backends.cuda.matmul.allow_tf32 = False
            with torch.autocast("cuda", torch.bfloat16, enabled=setting == "bf16"):
                model(batch)

        return forward

    for setting in ("float32", "bf16"):
        yield _row("inference", name, setting, 512, partial(make, setting), repeats)


def _transfers(name: str, repeats: int, compiling: bool) -> Iterator[tuple]:
    batch = random_batch(32, *SHAPES[name])
    pinned = Batch(*(value.pin_memory() if torch.is_tensor(value) else value for value in batch))
    for setting, source in (("ordinary memory", batch), ("pinned memory", pinned)):
        yield _row("transfer", name, setting, 32, lambda source=source: partial(source.to, "cuda"), repeats)


def _row(what: str, name: str, setting: str, clips: int, make: Callable[[], Callable], repeats: int) -> tuple:
    """Time what `make` makes. What cannot be done here is a note in the row, not the end of the measurement."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        step = make()
        for _ in range(3):
            step()
        taken = statistics.median(seconds(step) for _ in range(repeats))
    except (RuntimeError, ImportError) as error:  # out of memory, no compiler, an operation that no graph can hold
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return what, name, setting, clips, float("nan"), float("nan"), float("nan"), reason[:200]
    peak = torch.cuda.max_memory_allocated() / 2**20 if "processor" not in setting else float("nan")
    return what, name, setting, clips, round(1000 * taken, 3), round(clips / taken, 1), round(peak, 1), ""
