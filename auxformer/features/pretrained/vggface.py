"""What a network trained to recognise people sees in a face: the layer fc7 of VGG-Face, 4096 numbers per frame."""

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auxformer.errors import InputError, check_choice
from auxformer.features.pretrained.networks import FaceNetwork, choose_device, read_pickled
from auxformer.features.track import MARGIN, resize
from auxformer.files import file_hash

SIZE = 224
"""Height and width of the picture that the network expects, pixels."""
MEAN = (129.1863, 104.7624, 93.5940)
"""Mean red, green and blue of the faces it was trained on, 0..255."""
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions and their channels between one halving of the picture and the next."""
FULL = 4096


@dataclass(frozen=True)
class VggFace(FaceNetwork):
    """Layer fc7, after its ReLU, of the VGG-16 of Parkhi, Vedaldi & Zisserman (Deep Face Recognition, BMVC 2015).

    The face is cropped as for `hog`. The weights are not ours to give: obtain a PyTorch form of the Oxford group's
    "VGG-Face" (vgg_face_dag.pth, made of vgg-face.mat; or one of VGG_FACE.t7). A frame takes 31 GFLOP: use a GPU.

    Attributes:
        path: Weights as safetensors, or as .pth, which is read without running code that it may hold.
        channels: "rgb" or "bgr", the order that the weights expect: that of the MatConvNet file or that of the Caffe
            and Torch files. None tells them apart by their names, conv1_1 (rgb) and conv_1_1 (bgr).
        margin, boxes: As of `GradientHistograms`.
        sha256: Of the file; checked when given, looked up when not.
        device: "auto", "cpu" or "cuda". Does not change the digest.
    """

    path: str = field(repr=False)
    channels: str | None = None
    margin: float = MARGIN
    boxes: str = "track"
    sha256: str | None = None
    device: str = field(default="auto", repr=False)

    name = "vggface"
    frames_at_once = 16
    shrink = 1  # tests divide the width of every layer by more

    def __post_init__(self):
        check_choice("channels", self.channels, (None, "rgb", "bgr"))
        self.check_crop()
        try:
            found = file_hash(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); give the Oxford weights") from error
        if self.sha256 and self.sha256.lower() != found:
            raise InputError(f"{self.path}: its SHA-256 is {found}, expected {self.sha256}; it is another file.")
        object.__setattr__(self, "sha256", found)

    @property
    def dims(self) -> int:
        """4096."""
        return FULL // self.shrink

    def see(self, faces: np.ndarray) -> np.ndarray:
        import torch

        weights, order = _load(self.path, self.sha256, self.shrink, choose_device(self.device))
        pictures = np.stack([resize(face.astype(np.float32), (SIZE, SIZE)) for face in faces]).transpose(0, 3, 1, 2)
        pictures -= np.array(MEAN, np.float32)[:, None, None]
        if (self.channels or order) == "bgr":
            pictures = pictures[:, ::-1].copy()
        with torch.inference_mode():
            return fc7(weights, torch.from_numpy(pictures).to(weights["fc7.bias"].device)).cpu().numpy()


def layout(shrink: int = 1) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every parameter up to fc7, in order; `shrink` divides the widths.

    >>> layout()["conv1_2.weight"], layout()["fc6.weight"]
    ((64, 64, 3, 3), (4096, 25088))
    """
    shapes, width = {}, 3
    for block, (depth, channels) in enumerate(BLOCKS, start=1):
        for i in range(1, depth + 1):
            shapes[f"conv{block}_{i}.weight"] = (channels // shrink, width, 3, 3)
            shapes[f"conv{block}_{i}.bias"] = (channels // shrink,)
            width = channels // shrink
    width *= (SIZE // 2 ** len(BLOCKS)) ** 2
    for name in ("fc6", "fc7"):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (FULL // shrink, width), (FULL // shrink,)
        width = FULL // shrink
    return shapes


def fc7(weights: dict, pictures):
    """Layer fc7 `[B, 4096]` of pictures `[B, 3, 224, 224]`, their mean taken off; both torch tensors."""
    from torch.nn.functional import conv2d, linear, max_pool2d, relu

    flow = pictures
    for block, (depth, _) in enumerate(BLOCKS, start=1):
        for name in (f"conv{block}_{i}" for i in range(1, depth + 1)):
            flow = relu(conv2d(flow, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
        flow = max_pool2d(flow, 2)  # [B, channels, side / 2, side / 2]
    flow = flow.flatten(1)  # [B, 25088]
    for name in ("fc6", "fc7"):
        flow = relu(linear(flow, weights[f"{name}.weight"], weights[f"{name}.bias"]))
    return flow


def read_weights(path: str, shrink: int = 1) -> tuple[dict, str]:
    """The parameters up to fc7 under the names of `layout`, float32, and the order of colours that their names betray.

    Raises:
        InputError: The file cannot be read, or its parameters are not those of VGG-Face; the first that differs is named.
    """
    found, order = {}, "rgb"
    for full, value in _tensors(path).items():
        known = re.fullmatch(r"(?:.*\.)?(?:conv(_?)(\d_\d)|(fc\d))\.(weight|bias)", full)
        if known is None:
            raise _other(path, f"holds {full}, which VGG-Face has not")
        underscore, conv, fc, kind = known.groups()
        order = "bgr" if underscore else order
        found[f"{fc or f'conv{conv}'}.{kind}"] = value
    for name, shape in layout(shrink).items():
        if name not in found:
            raise _other(path, f"lacks {name} {list(shape)}")
        if tuple(found[name].shape) != shape:
            raise _other(path, f"{name} has the shape {list(found[name].shape)}, expected {list(shape)}")
    more = set(found) - set(layout(shrink)) - {"fc8.weight", "fc8.bias"}  # fc8 names the people: not needed
    if more:
        raise _other(path, f"holds {min(more)}, which VGG-Face has not")
    return {name: found[name].float() for name in layout(shrink)}, order


def _other(path: str, what: str) -> InputError:
    return InputError(f"{path}: {what}; give the Oxford weights of VGG-Face (VGG-16, no batch normalisation).")


def _tensors(path: str) -> dict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if Path(path).suffix != ".safetensors":
        return read_pickled(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors ({error}); obtain the file again") from error


@functools.lru_cache(maxsize=1)
def _load(path: str, sha256: str, shrink: int, device: str) -> tuple[dict, str]:
    """The weights on the device, and the order of their colours: once per process."""
    weights, order = read_weights(path, shrink)
    return {name: value.to(device) for name, value in weights.items()}, order
