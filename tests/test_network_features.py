"""Features taken from trained networks: small networks with random weights, saved as the real ones are, and damaged."""

import json
import math
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from auxformer import media
from auxformer.corpora import read_corpus
from auxformer.errors import InputError, MediaError
from auxformer.features import Clip, Extractor, create_extractor
from auxformer.features import extract as extract_module
from auxformer.features.extract import extract
from auxformer.features.imported.emoca import in_order
from auxformer.features.pretrained.networks import convert
from auxformer.features.pretrained.vggface import MEAN, VggFace, layout, read_weights
from auxformer.features.pretrained.wav2vec2 import Wav2Vec2, _load
from auxformer.features.store import FeatureStore
from auxformer.features.track import level_crops, resize, track_face

RATE = 16000
WIDTH, LAYERS, HEADS = 32, 4, 4
NARROW = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 48}
LENGTHS = (4000, 9000, 9000, 400, 6333)


def noise(samples, seed=0):
    return np.random.default_rng([8, samples, seed]).normal(scale=0.1, size=samples).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    """A folder with networks of a few thousand parameters: "layer" and "group" for speech, "vit" and "conv"."""
    import torch
    from transformers import (
        ConvNextConfig,
        ConvNextModel,
        ViTConfig,
        ViTModel,
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Model,
    )
    from transformers.utils import logging

    logging.disable_progress_bar()
    root = tmp_path_factory.mktemp("models")
    speech = {**NARROW, "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for norm in ("layer", "group"):
            config = Wav2Vec2Config(**speech, feat_extract_norm=norm, do_stable_layer_norm=norm == "layer")
            network = Wav2Vec2Model(config)
            with torch.no_grad():  # else one clip is as good as another: fresh networks are nearly constant
                for parameter in network.parameters():
                    parameter.mul_(1.5).add_(0.05 * torch.randn_like(parameter))
            network.save_pretrained(root / norm)
            Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer").save_pretrained(root / norm)
        ViTModel(ViTConfig(**NARROW, image_size=32, patch_size=8)).save_pretrained(root / "vit")
        ConvNextModel(ConvNextConfig(hidden_sizes=[8, 12], depths=[1, 1], num_stages=2)).save_pretrained(root / "conv")
    for name, kind in (("vit", "ViTImageProcessor"), ("conv", "ConvNextImageProcessor")):
        said = {"image_processor_type": kind, "do_resize": True, "do_rescale": True, "do_normalize": True}
        size = {"height": 32, "width": 32} if name == "vit" else {"shortest_edge": 32}
        said |= {"size": size, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "rescale_factor": 1 / 255}
        (root / name / "preprocessor_config.json").write_text(json.dumps(said))
    return root


@pytest.fixture
def copy(models, tmp_path):
    """A model that a test may damage."""

    def make(name):
        return shutil.copytree(models / name, tmp_path / name)

    return make


def hidden_states(folder, waveform):
    """Those of the whole network, by transformers alone: a list of layers + 1 arrays [T, D], and its last LayerNorm."""
    import torch
    from transformers import Wav2Vec2Model

    network = Wav2Vec2Model.from_pretrained(folder).eval()
    normal = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
    with torch.inference_mode():
        seen = network(torch.from_numpy(normal)[None], output_hidden_states=True)
    return [layer[0] for layer in seen.hidden_states], network.encoder.layer_norm


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_first_layers_are_those_of_the_whole_network(models, norm):
    waveform = noise(9000)
    theirs, _ = hidden_states(models / norm, waveform)
    for layers in (1, 2, LAYERS):
        extractor = create_extractor(f"wav2vec2:{models / norm}", layers=layers, final_norm=False)
        np.testing.assert_allclose(extractor.of_many([waveform])[0], theirs[layers], atol=2e-5)


def test_the_last_norm_follows_the_last_layer_kept_as_in_the_release(models):
    import torch

    theirs, last_norm = hidden_states(models / "layer", noise(9000))
    with torch.inference_mode():
        expected = last_norm(theirs[2])
    ours = create_extractor(f"wav2vec2:{models / 'layer'}", layers=2).of_many([noise(9000)])[0]
    np.testing.assert_allclose(ours, expected, atol=2e-5)
    assert np.abs(ours - theirs[2].numpy()).max() > 0.1


def test_layers_left_out_are_not_loaded(models):
    extractor = create_extractor(f"wav2vec2:{models / 'layer'}", layers=2)
    network, _ = _load(extractor.folder, extractor.content, 2, True, "cpu")
    assert len(network.encoder.layers) == 2 and not network.training


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("batch", [2, 5])
def test_clips_do_not_depend_on_those_they_share_a_batch_with(models, norm, batch):
    waveforms = [noise(samples, seed) for seed, samples in enumerate(LENGTHS)]
    extractor = create_extractor(f"wav2vec2:{models / norm}", batch=batch)
    together = extractor.of_many(waveforms)
    for samples, waveform, states in zip(LENGTHS, waveforms, together, strict=True):
        alone = extractor.of_many([waveform])[0]
        assert states.shape == alone.shape == (extractor.frames(samples), WIDTH)
        np.testing.assert_allclose(states, alone, atol=2e-5)
    assert np.abs(together[1] - together[2]).max() > 0.1


def test_networks_that_normalise_over_time_never_see_padding(models):
    extractors = [create_extractor(f"wav2vec2:{models / norm}", batch=4) for norm in ("group", "layer")]
    over_time, per_frame = (list(extractor._groups(LENGTHS)) for extractor in extractors)
    assert over_time == [[3], [0], [4], [1, 2]]
    assert per_frame == [[3, 0, 4, 1], [2]]


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (399, 1), (400, 1), (719, 1), (720, 2), (16000, 49)])
def test_there_is_a_vector_every_320_samples(models, samples, frames):
    extractor = create_extractor(f"wav2vec2:{models / 'layer'}")
    assert extractor.frames_per_second == 50 and extractor.dims == WIDTH
    states = extractor.of_many([noise(samples)])[0]
    assert states.shape == (frames, WIDTH) and states.dtype == np.float32 and np.isfinite(states).all()


def test_sound_is_normalised_where_the_model_says_so(copy):
    folder = copy("layer")
    both = noise(8000), 5 * noise(8000) + 0.2
    states = [create_extractor(f"wav2vec2:{folder}").of_many([sound])[0] for sound in both]
    np.testing.assert_allclose(*states, atol=1e-3)
    (folder / "preprocessor_config.json").write_text('{"do_normalize": false, "sampling_rate": 16000}')
    states = [create_extractor(f"wav2vec2:{folder}").of_many([sound])[0] for sound in both]
    assert np.abs(states[0] - states[1]).max() > 0.1


def test_long_clips_are_cut_before_they_are_normalised(models):
    sound = np.concatenate([noise(8000), 9 * noise(8000, 1)])
    cut = create_extractor(f"wav2vec2:{models / 'layer'}", max_seconds=0.5).of_many([sound])[0]
    whole = create_extractor(f"wav2vec2:{models / 'layer'}").of_many([sound[:8000]])[0]
    np.testing.assert_array_equal(cut, whole)


def test_digest_names_settings_and_content_but_not_place_or_device(models, copy):
    folder = copy("layer")
    spec = f"wav2vec2:{models / 'layer'}"
    same = [create_extractor(spec), create_extractor(f"wav2vec2:{folder}"), create_extractor(spec, batch=3)]
    same.append(create_extractor(spec, device="cpu"))
    assert len({extractor.digest() for extractor in same}) == 1
    others = [create_extractor(spec, layers=2), create_extractor(spec, max_seconds=12.0)]
    others.append(create_extractor(spec, final_norm=False))
    others.append(create_extractor(f"wav2vec2:{models / 'group'}"))
    before = same[1].of_many([noise(4000)])[0]
    change_one_weight(folder)
    others.append(create_extractor(f"wav2vec2:{folder}"))
    assert len({extractor.digest() for extractor in [same[0], *others]}) == 6
    assert np.abs(before - others[-1].of_many([noise(4000)])[0]).max() > 1e-3


def change_one_weight(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["encoder.layers.0.feed_forward.output_dense.bias"][0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def drop_a_weight(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["feature_projection.projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def cut_short(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def widen(folder):
    edit(folder, hidden_size=2 * WIDTH)


def edit(folder, **settings):
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**known, **settings}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_short, "cannot be loaded"),
        (widen, "cannot be loaded"),
        (drop_a_weight, "lack feature_projection.projection.weight"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no safetensors weights"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "settings cannot be read"),
        (lambda folder: edit(folder, model_type="hubert"), 'of the type "hubert"'),
        (lambda folder: (folder / "preprocessor_config.json").write_text('{"sampling_rate": 8000}'), "8000 Hz"),
    ],
)
def test_damaged_model_is_a_sentence(copy, damage, words):
    folder = copy("layer")
    damage(folder)
    with pytest.raises(InputError) as caught:
        create_extractor(f"wav2vec2:{folder}").of_many([noise(4000)])
    assert words in str(caught.value) and str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_model_that_is_not_there_is_a_sentence_and_no_download(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for spec, name in (("wav2vec2", "facebook/wav2vec2-large-robust"), ("hf-vision:no such/name/..", "no such")):
        with pytest.raises(InputError) as caught:
            create_extractor(spec)
        assert "neither a folder nor in the local cache" in str(caught.value)
        assert f"hf download {name}" in str(caught.value)


def test_model_is_found_in_the_cache_by_name_and_revision(models, tmp_path, monkeypatch):
    cache = tmp_path / "models--lab--ears"
    shutil.copytree(models / "layer", cache / "snapshots" / "abc")
    (cache / "refs" / "refs" / "pr").mkdir(parents=True)
    for revision in ("main", "refs/pr/1"):
        (cache / "refs" / revision).write_text("abc")
    for module in [module for name, module in sys.modules.items() if name.startswith("huggingface_hub")]:
        if hasattr(module, "HF_HUB_CACHE"):
            monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path))
    extractor = create_extractor("wav2vec2:lab/ears")
    assert extractor.name == "wav2vec2:ears"
    assert extractor.digest() == create_extractor(f"wav2vec2:{models / 'layer'}").digest()
    assert create_extractor("wav2vec2:lab/ears@refs/pr/1").folder == extractor.folder
    with pytest.raises(InputError, match="hf download lab/ears --revision v2"):
        create_extractor("wav2vec2:lab/ears@v2")


def test_pickled_weights_are_converted_without_running_them(copy):
    import torch
    from safetensors.torch import load_file

    folder = copy("layer")
    weights = load_file(folder / "model.safetensors")
    before = create_extractor(f"wav2vec2:{folder}").of_many([noise(4000)])[0]
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="only as pytorch_model.bin.*convert"):
        create_extractor(f"wav2vec2:{folder}")
    convert(folder)
    np.testing.assert_array_equal(create_extractor(f"wav2vec2:{folder}").of_many([noise(4000)])[0], before)


def test_weights_as_the_hub_has_them_are_understood(models, copy):
    """Saved for another task and by an older version: with a prefix, a quantizer, and the old names of weight norm."""
    from safetensors.torch import load_file, save_file

    folder = copy("layer")
    weights = {f"wav2vec2.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    convolution = "wav2vec2.encoder.pos_conv_embed.conv."
    for new, old in (
        ("parametrizations.weight.original0", "weight_g"),
        ("parametrizations.weight.original1", "weight_v"),
    ):
        weights[convolution + old] = weights.pop(convolution + new)
    weights["quantizer.codevectors"] = weights["wav2vec2.masked_spec_embed"].clone()
    del weights["wav2vec2.masked_spec_embed"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    ours, same = (
        create_extractor(f"wav2vec2:{place}").of_many([noise(4000)])[0] for place in (folder, models / "layer")
    )
    np.testing.assert_allclose(ours, same, atol=1e-6)


def test_weights_in_half_precision_are_computed_with_in_full(models, copy):
    from safetensors.torch import load_file, save_file

    folder = copy("layer")
    halved = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors", {"format": "pt"})
    edit(folder, dtype="float16")
    ours, full = (
        create_extractor(f"wav2vec2:{place}").of_many([noise(4000)])[0] for place in (folder, models / "layer")
    )
    np.testing.assert_allclose(ours, full, atol=0.02)
    assert ours.dtype == np.float32 and (ours != full).any()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_weights_file_is_refused_and_not_run(tmp_path, copy):
    folder = copy("layer")
    for path in (folder / "pytorch_model.bin", tmp_path / "vgg_face_dag.pth"):
        path.write_bytes(pickle.dumps({"conv1_1.weight": Trap(tmp_path / "sprung")}, protocol=2))
    with pytest.raises(InputError, match="not a plain file of weights"):
        convert(folder)
    with pytest.raises(InputError, match="not a plain file of weights"):
        read_weights(str(tmp_path / "vgg_face_dag.pth"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": 5}, "layers is 5, expected a number from 1 to 4"),
        ({"layers": 0}, "layers is 0"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"batch": 0}, "batch"),
        ({"half": True, "device": "cpu"}, "half precision is for a GPU"),
        ({"device": "tpu"}, "device"),
        ({"modality": "video"}, "describe the audio stream"),
    ],
)
def test_wrong_settings_are_a_sentence(models, options, words):
    with pytest.raises(InputError, match=words):
        create_extractor(f"wav2vec2:{models / 'layer'}", **options).of_many([noise(400)])


def first_clips(tiny_puppets, count):
    corpus = read_corpus(tiny_puppets[0])
    return replace(corpus, clips=corpus.clips.iloc[:count].copy())


class Watched(Wav2Vec2):
    """Writes over the first numbers of every vector: loads of a network in this process, and threads it may use."""

    def of_many(self, waveforms):
        import torch
        from threadpoolctl import threadpool_info

        states = super().of_many(waveforms)
        threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
        for rows in states:
            rows[:, :3] = _load.cache_info().misses, threads, torch.get_num_threads()
        return states


def test_two_workers_fill_a_store_and_a_bad_clip_takes_no_other_along(tiny_puppets, models, tmp_path):
    corpus = first_clips(tiny_puppets, 13)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    corpus.clips.iloc[2, corpus.clips.columns.get_loc("audio")] = str(bad)
    extractor = Watched(str(models / "layer"), batch=3)
    store = extract(corpus, extractor, tmp_path / "store", jobs=2)
    assert len(store) == 12 and list(store.skipped) == [corpus.clips.index[2]] and store.verify() == []
    assert "bad.wav" in next(iter(store.skipped.values()))
    plain = create_extractor(f"wav2vec2:{models / 'layer'}")
    for clip in store.clips:
        expected = plain(Clip(clip, corpus.clips.loc[clip, "audio"], None))
        np.testing.assert_allclose(store[clip][:, 3:], expected[:, 3:], atol=2e-5)
        assert (store[clip][:, :3] == 1).all() and store.frames_per_second(clip) == 50
    described = json.loads((tmp_path / "store" / "store.json").read_text())
    assert extractor.content in described["settings"] and str(models) not in described["settings"]


def photograph():
    """A woman looking into the camera, in colour, [320, 320, 3]."""
    return data.astronaut()[:320, 40:360]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    media.write_video(path, np.stack([np.roll(photograph(), t, 0) for t in range(5)]), 25)
    return Clip("a", None, str(path))


def test_face_in_colour_is_the_face_in_grey(film):
    frames, _ = media.read_frames(film.video)
    grey, _ = media.read_frames(film.video, grey=True)
    track = track_face(frames)
    faces = level_crops(frames, track, 64).round().astype(np.uint8)
    assert faces.shape == (5, 64, 64, 3) and faces.dtype == np.uint8 and track.found == 1
    bright = faces.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    assert np.corrcoef(bright.ravel(), level_crops(grey, track, 64).ravel())[0, 1] > 0.99


@pytest.mark.parametrize("size", [(4, 5), (14, 18), (9, 3)])
def test_colours_are_scaled_each_by_itself(size):
    picture = np.random.default_rng(3).integers(0, 256, (7, 9, 3)).astype(np.float32)
    scaled = resize(picture, size)
    assert scaled.shape == (*size, 3) and scaled.mean() == pytest.approx(picture.mean(), rel=0.1)
    for channel in range(3):
        np.testing.assert_allclose(scaled[..., channel], resize(picture[..., channel], size), rtol=1e-5)


class NarrowVggFace(VggFace):
    """Widths divided by 32: 128 numbers per frame. What it does with them is the same."""

    shrink = 32


def oxford_weights(shrink=32, rename=lambda name: name):
    import torch

    draw = torch.Generator().manual_seed(1)
    weights = {
        rename(name): torch.randn(shape, generator=draw) * math.sqrt(2 / math.prod(shape[1:] or (100,)))
        for name, shape in layout(shrink).items()
    }
    return {**weights, rename("fc8.weight"): torch.zeros(26, 128), rename("fc8.bias"): torch.zeros(26)}


@pytest.fixture(scope="module")
def oxford(tmp_path_factory):
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("oxford") / "vgg.safetensors"
    save_file(oxford_weights(), path)
    return str(path)


def fc7_by_modules(weights, pictures):
    """The same network put together of torch's modules, the layers listed one by one."""
    import torch
    from torch import nn

    modules = []
    for name in "1_1 1_2 pool 2_1 2_2 pool 3_1 3_2 3_3 pool 4_1 4_2 4_3 pool 5_1 5_2 5_3 pool".split():  # noqa: SIM905
        if name == "pool":
            modules.append(nn.MaxPool2d(2, 2))
            continue
        out, into, *_ = weights[f"conv{name}.weight"].shape
        modules += [named(nn.Conv2d(into, out, 3, padding=1), f"conv{name}", weights), nn.ReLU()]
    modules.append(nn.Flatten())
    for name in ("fc6", "fc7"):
        out, into = weights[f"{name}.weight"].shape
        modules += [named(nn.Linear(into, out), name, weights), nn.ReLU()]
    with torch.inference_mode():
        return nn.Sequential(*modules)(torch.from_numpy(pictures))


def named(module, name, weights):
    module.load_state_dict({kind: weights[f"{name}.{kind}"] for kind in ("weight", "bias")})
    return module


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_fc7_is_that_of_vgg_16(oxford, channels):
    faces = np.stack([photograph(), photograph()[::-1]])
    scaled = np.stack([resize(face.astype(np.float32), (224, 224)) for face in faces])  # [2, 224, 224, 3]
    pictures = scaled.transpose(0, 3, 1, 2) - np.array(MEAN, np.float32)[:, None, None]
    pictures = pictures if channels == "rgb" else pictures[:, ::-1].copy()
    ours = NarrowVggFace(oxford, channels=channels, device="cpu").of_faces(faces)
    expected = fc7_by_modules(oxford_weights(), pictures).numpy()
    assert ours.shape == (2, 128) and (ours >= 0).all() and (ours > 0).any()
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4 * expected.max())
    assert np.abs(ours[0] - ours[1]).max() > 0.01 * expected.max()


def test_the_whole_layout_is_that_of_the_oxford_network():
    shapes = layout()
    assert sum(math.prod(shape) for shape in shapes.values()) == 134_260_544  # VGG-16 less its 4096 x 1000 last layer
    assert VggFace.shrink == 1 and list(shapes)[-1] == "fc7.bias" and len(shapes) == 30


@pytest.mark.parametrize(
    ("rename", "suffix", "order"),
    [
        (lambda name: name, ".pth", "rgb"),
        (lambda name: "module." + name, ".safetensors", "rgb"),
        (lambda name: name.replace("conv", "conv_"), ".safetensors", "bgr"),
        (lambda name: "features." * name.startswith("conv") + name.replace("conv", "conv_"), ".pth", "bgr"),
    ],
)
def test_known_names_of_the_weights_are_understood(tmp_path, oxford, rename, suffix, order):
    import torch
    from safetensors.torch import save_file

    path, weights = tmp_path / f"weights{suffix}", oxford_weights(rename=rename)
    if suffix == ".pth":
        torch.save(weights, path)
    else:
        save_file(weights, path)
    found, colours = read_weights(str(path), 32)
    assert colours == order and list(found) == list(layout(32))
    assert all(torch.equal(found[name], value) for name, value in read_weights(oxford, 32)[0].items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("conv2_1.bias"), r"lacks conv2_1.bias \[4\]"),
        (
            lambda weights: weights.update({"conv3_1.weight": weights["conv3_2.weight"]}),
            r"conv3_1.weight has the shape",
        ),
        (lambda weights: weights.update({"conv1_3.bias": weights["fc8.bias"].clone()}), "holds conv1_3.bias"),
        (lambda weights: weights.update({"bn1_1.weight": weights["fc8.bias"].clone()}), "holds bn1_1.weight"),
    ],
)
def test_weights_of_another_network_are_a_sentence(tmp_path, change, words):
    import torch

    weights = oxford_weights()
    change(weights)
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(InputError, match=words):
        read_weights(str(tmp_path / "other.pth"), 32)


def test_weights_that_are_absent_damaged_or_not_those_asked_for_are_a_sentence(tmp_path, oxford):
    with pytest.raises(InputError, match='expected "vggface:FILE.safetensors"; give the path of the Oxford weights'):
        create_extractor("vggface")
    with pytest.raises(InputError, match="no such file or folder .* Oxford weights of VGG-Face"):
        create_extractor("vggface:none.safetensors")
    with pytest.raises(InputError, match="its SHA-256 is .* expected 00"):
        create_extractor(f"vggface:{oxford}", sha256="00")
    (tmp_path / "cut.safetensors").write_bytes(Path(oxford).read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        create_extractor(f"vggface:{tmp_path / 'cut.safetensors'}").of_faces(photograph()[None])
    with pytest.raises(InputError, match=r"conv1_1.weight has the shape \[2, 3, 3, 3\], expected \[64, 3, 3, 3\]"):
        create_extractor(f"vggface:{oxford}").of_faces(photograph()[None])


def test_vgg_face_gives_a_vector_per_frame_and_records_its_weights(tmp_path, oxford, film):
    extractor = NarrowVggFace(oxford)
    assert isinstance(extractor, Extractor) and extractor.dims == 128 and extractor.source(film) == film.video
    features = extractor(film)
    assert features.shape == (5, 128) and features.dtype == np.float32 and np.isfinite(features).all()
    again = NarrowVggFace(shutil.copy(oxford, tmp_path / "moved.safetensors"), sha256=extractor.sha256.upper())
    assert again.digest() == extractor.digest() and extractor.sha256 in repr(extractor)
    assert pickle.loads(pickle.dumps(extractor)).digest() == extractor.digest()
    others = [NarrowVggFace(oxford, margin=1.5), NarrowVggFace(oxford, channels="bgr"), NarrowVggFace(oxford, boxes="clip")]
    assert len({other.digest() for other in [extractor, *others]}) == 4


def codes(frame):
    return np.full(50, frame, np.float32)


@pytest.fixture
def emoca(tmp_path):
    """Codes of the clip "a": twelve frames, frame i made of i's; the later files were written first."""
    (tmp_path / "codes" / "a").mkdir(parents=True)
    for frame in reversed(range(12)):
        np.save(tmp_path / "codes" / "a" / f"frame{frame}.npy", codes(frame))
    return tmp_path / "codes"


def test_codes_are_read_in_the_order_of_time(emoca):
    extractor = create_extractor("emoca:codes", emoca.parent)
    features = extractor(Clip("a", None, None))
    assert isinstance(extractor, Extractor) and features.shape == (12, 50) and features.dtype == np.float32
    np.testing.assert_array_equal(features[:, 0], np.arange(12))


def test_frame_numbers_decide_and_not_letters():
    names = ["clip_10_000.npy", "clip_2_001.npy", "clip_2_000.npy", "clip_100_000.npy"]
    ordered = in_order([Path(name) for name in names])
    assert [path.name for path in ordered] == [names[2], names[1], names[0], names[3]]
    with pytest.raises(MediaError, match="001.npy: has the same frame number as 01.npy|01.npy: has the same"):
        in_order([Path("001.npy"), Path("01.npy"), Path("2.npy")])
    with pytest.raises(MediaError, match="mean.npy: has no frame number"):
        in_order([Path("1.npy"), Path("mean.npy")])


def pickled(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pickled, "cannot be read as an array of numbers"),
        (lambda path: path.write_bytes(b"not numpy"), "cannot be read as an array of numbers"),
        (lambda path: path.write_bytes(path.read_bytes()[:150]), "cannot be read as an array of numbers"),
        (lambda path: np.save(path, np.array(["x"] * 50)), "cannot be read as an array of numbers"),
        (lambda path: np.save(path, np.zeros(53)), "holds 53 numbers, expected the 50"),
        (lambda path: np.save(path, np.full(50, np.nan)), "not finite"),
    ],
)
def test_damaged_frame_is_named(emoca, spoil, words):
    spoil(emoca / "a" / "frame7.npy")
    with pytest.raises(MediaError, match=f"frame7.npy: .*{words}"):
        create_extractor(f"emoca:{emoca}")(Clip("a", None, None))


def test_codes_reach_the_store_and_a_changed_frame_is_noticed(tiny_puppets, emoca, tmp_path):
    corpus = first_clips(tiny_puppets, 3)
    first, second, third = corpus.clips.index
    (emoca / "a").rename(emoca / first)
    shutil.copytree(emoca / first, emoca / second)
    extractor = create_extractor(f"emoca:{emoca}", modality="video")
    store = extract(corpus, extractor, tmp_path / "store", jobs=1)
    assert store.clips == sorted([first, second]) and store.frames_per_second(first) == 29.97
    assert f"{third}/*.npy: there is no such file" in store.skipped[third]
    np.testing.assert_array_equal(store[second], np.repeat(np.arange(12.0)[:, None], 50, 1))
    np.save(emoca / second / "frame3.npy", codes(-1))
    changed = extract(corpus, extractor, tmp_path / "store", jobs=1)
    assert changed[second][3, 0] == -1 and changed[first][3, 0] == 3
    assert FeatureStore.open(tmp_path / "store").verify() == []


def test_wrong_folder_of_codes_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        create_extractor("emoca:nowhere", tmp_path)
    (tmp_path / "a.npy").touch()
    with pytest.raises(InputError, match="is no folder"):
        create_extractor(f"emoca:{tmp_path / 'a.npy'}")


@pytest.mark.parametrize(
    ("pooling", "name"), [("auto", "pooler"), ("pooler", "pooler"), ("cls", "cls"), ("mean", "mean")]
)
def test_vision_transformer_gives_what_transformers_gives(models, film, pooling, name):
    import torch
    from transformers import ViTModel

    frames, _ = media.read_frames(film.video)
    faces = level_crops(frames, track_face(frames), 224).round().astype(np.uint8)
    small = [np.asarray(Image.fromarray(face).resize((32, 32), Image.Resampling.BILINEAR)) for face in faces]
    small = np.stack(small).transpose(0, 3, 1, 2) / 255
    with torch.inference_mode():
        seen = ViTModel.from_pretrained(models / "vit").eval()(torch.from_numpy((small - 0.5) / 0.25).float())
    states = seen.last_hidden_state
    expected = {"pooler": seen.pooler_output, "cls": states[:, 0], "mean": states.mean(1)}[name].numpy()
    extractor = create_extractor(f"hf-vision:{models / 'vit'}", pooling=pooling)
    features = extractor(film)
    assert extractor.dims == WIDTH and features.shape == (5, WIDTH) and features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=0.02 * np.abs(expected).max())  # PIL rounds when it resizes


def test_convolutional_network_is_pooled_by_its_own_layer(models, film):
    extractor = create_extractor(f"hf-vision:{models / 'conv'}")
    assert extractor.dims == 12 and extractor(film).shape == (5, 12)
    with pytest.raises(InputError, match="no trained cls output"):
        create_extractor(f"hf-vision:{models / 'conv'}", pooling="cls")(film)


def test_pooler_without_trained_weights_is_not_used(copy, film):
    from safetensors.torch import load_file, save_file

    folder = copy("vit")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    auto, cls = (create_extractor(f"hf-vision:{folder}", pooling=way)(film) for way in ("auto", "cls"))
    np.testing.assert_array_equal(auto, cls)
    with pytest.raises(InputError, match="no trained pooler"):
        create_extractor(f"hf-vision:{folder}", pooling="pooler")(film)


def save_vision(network, folder, models):
    network.save_pretrained(folder)
    shutil.copy(models / "vit" / "preprocessor_config.json", folder)
    return f"hf-vision:{folder}"


def test_of_a_network_for_pictures_and_text_the_half_for_pictures_is_used(models, tmp_path, film):
    from transformers import CLIPConfig, CLIPModel

    texts = {**NARROW, "vocab_size": 50}
    network = CLIPModel(CLIPConfig(vision_config={**NARROW, "image_size": 32, "patch_size": 8}, text_config=texts))
    extractor = create_extractor(save_vision(network, tmp_path, models))
    assert extractor.dims == WIDTH and extractor(film).shape == (5, WIDTH)


def test_networks_that_mask_at_random_are_refused(models, tmp_path):
    from transformers import ViTMAEConfig, ViTMAEModel

    network = ViTMAEModel(ViTMAEConfig(**NARROW, image_size=32, patch_size=8))
    with pytest.raises(InputError, match="other vectors every time"):
        _ = create_extractor(save_vision(network, tmp_path, models)).dims


def test_code_that_comes_with_a_model_is_not_run(copy, tmp_path):
    folder = copy("vit")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    code = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoImageProcessor": "evil.Processor"}
    edit(folder, model_type="evil", auto_map=code)
    said = {"auto_map": code, "image_processor_type": "EvilImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="cannot be"):
        _ = create_extractor(f"hf-vision:{folder}").dims
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor"}')
    with pytest.raises(InputError, match="cannot be"):
        _ = create_extractor(f"hf-vision:{folder}").dims
    assert not (tmp_path / "sprung").exists()


def test_networks_that_take_no_pictures_and_damaged_ones_are_a_sentence(models, copy):
    with pytest.raises(InputError, match="hf-vision:MODEL"):
        create_extractor("hf-vision")
    folder = copy("vit")
    assert create_extractor(f"hf-vision:{folder}").digest() == create_extractor(f"hf-vision:{models / 'vit'}").digest()
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="no preprocessor_config.json"):
        create_extractor(f"hf-vision:{folder}")
    shutil.copy(models / "vit" / "preprocessor_config.json", copy("group"))
    with pytest.raises(InputError, match="is a Wav2Vec2Model, expected a network that takes pictures"):
        _ = create_extractor(f"hf-vision:{folder.with_name('group')}").dims
    folder = copy("conv")
    cut_short(folder)
    with pytest.raises(InputError, match="cannot be loaded"):
        _ = create_extractor(f"hf-vision:{folder}").dims


def test_vision_features_reach_the_store(tiny_puppets, models, tmp_path):
    corpus = first_clips(tiny_puppets, 2)
    extractor = create_extractor(f"hf-vision:{models / 'vit'}", root=corpus.root, modality="video")
    store = extract(corpus, extractor, tmp_path / "store", jobs=1)
    assert store.verify() == [] and store.dims == WIDTH and store.name == "hf-vision:vit"
    for clip in store.clips:
        path = corpus.clips.loc[clip, "video"]
        frames, _ = media.read_frames(path, grey=True)
        assert len(store[clip]) == len(frames) and store.frames_per_second(clip) == media.frame_rate(path)


def test_clips_go_through_extract_clip_one_by_one_where_no_batch_is_wanted(models, monkeypatch):
    asked = []
    monkeypatch.setattr(extract_module, "extract_clip", lambda *all_: asked.append(all_[1:]))
    extract_module.extract_clips(create_extractor(f"wav2vec2:{models / 'layer'}"), [Clip("a", None, None)])
    assert asked == [(Clip("a", None, None), None)]
