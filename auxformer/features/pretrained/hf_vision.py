"""What any vision network of the transformers library sees in the face, at the rate of the video."""

import functools
from dataclasses import dataclass, field

import numpy as np

from auxformer.errors import InputError, check_choice
from auxformer.features.pretrained.networks import FaceNetwork, HubModel, choose_device, load_model, read_config
from auxformer.features.track import MARGIN


@dataclass(frozen=True)
class HuggingFaceVision(HubModel, FaceNetwork):
    """One vector per frame by a vision network (ViT, DINOv2, ConvNeXt, the picture half of CLIP, ...).

    The face is cropped as for `hog`, then prepared as the model's own preprocessor_config.json says.

    Attributes:
        model: Name on the hub (then it must be in the local cache) or folder.
        pooling: "pooler", the network's own summary; "cls", its first token; "mean", the mean over tokens or places;
            or "auto": the first of these that the network has with trained weights.
        margin, boxes: As of `GradientHistograms`.
        device: "auto", "cpu" or "cuda". Does not change the digest.
        content: Hash of the model's weights and settings.
    """

    model: str = field(repr=False)
    pooling: str = "auto"
    margin: float = MARGIN
    boxes: str = "track"
    device: str = field(default="auto", repr=False)
    content: str = field(init=False)
    folder: str = field(init=False, repr=False)

    kind = "hf-vision"
    frames_at_once = 32

    def __post_init__(self):
        check_choice("pooling", self.pooling, ("auto", "pooler", "cls", "mean"))
        self.check_crop()
        if not (self.look_up() / "preprocessor_config.json").is_file():
            raise InputError(f"{self.folder}: has no preprocessor_config.json; give the folder of a whole vision model")

    @functools.cached_property
    def dims(self) -> int:
        """Width of the vectors, found out with a picture of noise. Raises `InputError` for networks that throw dice."""
        picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
        once, again = self.of_faces(picture), self.of_faces(picture)  # [1, D]
        if not np.allclose(once, again, atol=1e-3):
            raise InputError(
                f"{self.folder}: gives other vectors every time (it masks at random); choose another model."
            )
        return once.shape[1]

    def see(self, faces: np.ndarray) -> np.ndarray:
        import torch

        device = choose_device(self.device)
        network, prepare, trained = _load(self.folder, self.content, device)
        pictures = prepare(list(faces), return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        with torch.inference_mode():
            seen = network(pixel_values=pictures.to(device))
            return self._pool(seen, trained).float().cpu().numpy()

    def _pool(self, seen, trained: bool):
        states, pooled = seen.last_hidden_state, seen.get("pooler_output") if trained else None
        convolutional = states.ndim == 4  # [B, D, rows, columns] instead of [B, tokens, D]
        way = self.pooling
        if way == "auto":
            way = "pooler" if pooled is not None else "mean" if convolutional else "cls"
        if way == "pooler" and pooled is None or way == "cls" and convolutional:
            raise InputError(f'{self.folder}: has no trained {way} output; set pooling to "mean" or "auto".')
        if way == "pooler":
            return pooled.flatten(1)  # [B, D]
        return states[:, 0] if way == "cls" else states.mean((2, 3) if convolutional else 1)


@functools.lru_cache(maxsize=2)
def _load(folder: str, content: str, device: str) -> tuple:
    """The network, what prepares its pictures, and whether its pooler is trained: once per process."""
    from transformers import AutoImageProcessor, AutoModel

    prepare = read_config(AutoImageProcessor, folder, trust_remote_code=False)
    network, lacking = load_model(AutoModel, folder, ("pooler.", "vision_model.pooler."))
    network = getattr(network, "vision_model", network)  # of a network for pictures and text
    if getattr(network, "main_input_name", "") != "pixel_values":
        raise InputError(f"{folder}: is a {type(network).__name__}, expected a network that takes pictures.")
    return network.to(device), prepare, not lacking
