"""The plain reference of the benchmarks must be the published architecture too, or its ratios mean nothing."""

import sys
from pathlib import Path

import pytest
import torch

from auxformer.models.authors import build, read_vectors

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from plain import PlainAuxFormer  # noqa: E402

VECTORS = sorted((Path(__file__).parent / "parity").glob("*.safetensors"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_plain_reference_reproduces_the_parity_vectors(path):
    tensors, metadata = read_vectors(path)
    ours = build(
        {name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")}, metadata
    )
    classes = tensors["full.logits_av"].shape[1]
    plain = PlainAuxFormer(ours.config, tensors["audio"].shape[2], tensors["video"].shape[2], classes).eval()
    plain.load_state_dict(ours.state_dict())
    with torch.no_grad():
        for name, head in zip(("av", "a", "v"), plain(tensors["audio"], tensors["video"])):
            torch.testing.assert_close(head, tensors[f"full.logits_{name}"], atol=1e-5, rtol=0)
