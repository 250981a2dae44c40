"""What is measured on a GPU: without one it says so; the steps that it times are the same steps in every setting."""

import pandas as pd
import pytest
import torch

from auxformer.benchmark import gpu
from auxformer.errors import InputError
from auxformer.models import shared_loss
from auxformer.models.auxformer import Logits


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_is_a_sentence():
    with pytest.raises(InputError, match="no GPU that torch can use"):
        next(gpu.measure_gpu())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_every_row_is_a_time_or_a_reason():
    rows = pd.DataFrame(gpu.measure_gpu(repeats=2, presets=["default"], compiling=False))
    assert set(rows.what) == {"training step", "batch", "inference", "transfer"}
    assert ((rows.milliseconds > 0) ^ (rows.note != "")).all()


@pytest.mark.parametrize("name", list(gpu.SHAPES))
def test_a_timed_step_learns(name):
    batch = gpu.random_batch(4, *gpu.SHAPES[name])
    assert batch.audio.shape[1:] == gpu.SHAPES[name][:2] and batch.video.shape[1:] == gpu.SHAPES[name][2:]
    step = gpu.training_step(name, batch, "bf16", device="cpu")
    network = next(cell.cell_contents for cell in step.__closure__ if isinstance(cell.cell_contents, torch.nn.Module))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    step()
    assert any(not torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_what_cannot_be_measured_is_a_row_with_its_reason(monkeypatch):
    def fails():
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    for name in ("synchronize", "empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 2**20)
    row = dict(zip(gpu.COLUMNS, gpu._row("training step", "paper", "bf16, graph", 32, fails, 2)))
    assert row["note"] == "operation not permitted when stream is capturing" and row["milliseconds"] != row["milliseconds"]
    row = dict(zip(gpu.COLUMNS, gpu._row("batch", "paper", "bf16", 32, lambda: lambda: None, 2)))
    assert row["note"] == "" and row["milliseconds"] >= 0 and row["peak_mib"] == 1


def test_the_loss_makes_no_tensor_of_its_weights(monkeypatch):
    """Three numbers that are copied to a GPU in every step make it wait, and cannot be part of a graph."""
    monkeypatch.setattr(torch.Tensor, "new_tensor", lambda *_: pytest.fail("a copy from the processor"))
    heads = [torch.randn(5, 6, requires_grad=True) for _ in range(3)]
    shared_loss(Logits(*heads, torch.ones(5, 3)), torch.full((5, 6), 1 / 6), (0.5, 0.25, 0.25)).backward()
    assert heads[0].grad.abs().sum() > 0
