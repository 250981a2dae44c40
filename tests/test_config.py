import ast
import math
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from auxformer.config import LATER, Config, ModelConfig, TrainingConfig, list_presets, override, preset
from auxformer.errors import InputError

PACKAGE = Path(__file__).parents[1] / "auxformer"
ORDER = (
    "errors seeds progress files fingerprints config parallel media corpora features corruption data models evaluation recognise training puppets plots show "
    "benchmark reports course cli __main__"
).split()
"""Rooms from the ground up: what a room imports stands at or before its own place. The registries alone reach upwards, by
name: what they list registers itself."""


def test_a_config_survives_toml(tmp_path):
    config = override(preset("paper"), {"training": {"loss_weights": [0.5, 0.25, 0.25]}})
    config.save(tmp_path / "config.toml")
    assert Config.load(tmp_path / "config.toml") == config


def test_an_unknown_key_raises_and_names_the_nearest():
    with pytest.raises(InputError, match='unknown setting "model.widht". Did you mean "width"'):
        Config.from_dict({"model": {"widht": 3}})
    with pytest.raises(InputError, match='unknown setting "modle"'):
        Config.from_dict({"modle": {}})


@pytest.mark.parametrize(
    "section, key, value",
    [
        ("model", "heads", 7), ("model", "summary", "first"), ("model", "width", "wide"), ("model", "res_dropout", 1.5),
        ("training", "optimizer", "lbfgs"), ("training", "drop_audio", 0.9), ("training", "epochs", 0),
        ("training", "loss_weights", [1, 1]), ("training", "bucket", 1), ("training", "loss_weights", ["a", "b", "c"]),
        ("training", "loss_weights", [math.nan, 1, 1]), ("training", "decay", -5), ("training", "device", "mps"),
        ("training", "learning_rate", math.nan), ("training", "epochs", {"all": 3}), ("training", "epochs", 2.5),
        ("model", "aux_hidden", [8]), ("model", "aux_hidden", [8, 0]), ("model", "aux_hidden", [8.5, 8]),
        ("model", "aux_hidden", 8), ("model", "name", 3),
    ],
)  # fmt: skip
def test_a_wrong_value_raises_and_names_its_key(section, key, value):
    with pytest.raises(InputError, match=f"{section}.{key}"):
        Config.from_dict({section: {key: value}})


@pytest.mark.parametrize("section", ["model", "training"])
@pytest.mark.parametrize("value", [3, "many", [1], True])
def test_a_section_that_is_a_value_is_not_passed_over(section, value):
    with pytest.raises(InputError, match=rf"{section} is .*, expected a section: \[{section}\]"):
        Config.from_dict({section: value})


@pytest.mark.parametrize("content", [b"[model\n", b"\xff\xfe", b"training = 3\n", None])
def test_a_file_that_is_no_config_is_a_sentence(tmp_path, content):
    if content is None:
        (tmp_path / "config.toml").mkdir()
    else:
        (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(InputError):
        Config.load(tmp_path / "config.toml")


def test_the_digest_sees_what_changes_a_result_and_nothing_else():
    base = preset("default")
    for section in ("model", "training"):
        for item in fields(getattr(base, section)):
            changed = override(
                base, {section: {item.name: _other(getattr(getattr(base, section), item.name), item.name)}}
            )
            same = (section, item.name) in {("training", "device"), ("training", "label"), ("training", "keep")}
            assert (changed.digest() == base.digest()) == same, item.name


def test_a_setting_that_came_later_counts_only_where_it_changes_something(monkeypatch):
    """Runs that are older than a setting are found again by their digest."""
    assert {name: preset(name).digest() for name in ("default", "quick", "paper", "vavl-published")} == {
        "default": "881f35ddc4", "quick": "ec860fe3ae", "paper": "3da77a11f0", "vavl-published": "4d4522c563",
    }  # fmt: skip
    slower = override(preset("default"), {"training": {"clip": 0.5}})
    counted = preset("default").digest(), slower.digest()
    monkeypatch.setattr("auxformer.config.LATER", (*LATER, ("training", "clip", 1.0)))
    assert preset("default").digest() != counted[0] and slower.digest() == counted[1]


def _other(value, name):
    choices = {"name": "auxformer-published", "positions": "cross", "padding": "attended", "summary": "last", "absent": "zeros", "answer": "fusion", "optimizer": "sgd", "schedule": "constant", "drop_unit": "batch", "drop_law": "uniform", "drop_fill": "noise", "balance": "ogm-ge", "select": "loss", "video_order": "directory", "device": "cpu", "label": "x", "precision": "bf16"}  # fmt: skip
    if name in choices and isinstance(value, str):
        return choices[name] if choices[name] != value else "macro-f1"
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return {"aux_hidden": (7, 8)}.get(name, (0.5, 0.3, 0.2))
    return value * 2 if value else 0.25 if isinstance(value, float) else 1


def test_every_preset_is_valid_and_the_published_ones_keep_the_published_switches():
    for name in list_presets():
        preset(name)
    for name in ("paper", "release"):
        model, training = preset(name).model, preset(name).training
        assert (model.padding, model.summary, model.absent, model.positions) == ("attended", "last", "zeros", "cross")
        assert (model.heads, model.layers, model.attn_dropout, model.embed_dropout, model.out_dropout) == (
            10,
            5,
            0.1,
            0.25,
            0.2,
        )
        assert (training.learning_rate, training.batch_size, training.epochs) == (7.25e-4, 32, 30)
    with pytest.raises(InputError, match="default"):
        preset("defualt")


def test_every_config_key_is_used_somewhere():
    text = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "config.py")
    unused = [
        item.name
        for kind in (ModelConfig, TrainingConfig)
        for item in fields(kind)
        if not re.search(rf"\.{item.name}\b", text)
    ]
    assert set(unused) <= {"label"}, unused  # `label` only names the run's folder


def imports_of(path):
    """Rooms that a file of the package imports from, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "auxformer":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("auxformer."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("auxformer."))


def test_imports_run_downwards():
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in ("__init__", "_moved"):
            continue
        for other in set(imports_of(path)) & set(ORDER):
            assert ORDER.index(other) <= ORDER.index(room), f"{path} imports {other}, which stands above it"
        assert room in ORDER, f"{path}: a room without a place in the order"


def test_wings_are_known_to_their_registry_only():
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts
        text = path.read_text()
        for wing, homes in {"puppets": ("puppets",), "course": ("course", "cli")}.items():
            if room[0] not in homes:
                assert f"from auxformer.{wing}" not in text, f"{path} knows {wing}"
        if room[:2] != ("models", "rivals"):
            assert "from auxformer.models.rivals" not in text, f"{path} knows a rival"


def test_importing_the_package_pulls_no_torch():
    code = "import sys, auxformer, auxformer.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        preset("default").model.width = 3
    assert replace(preset("default").model, width=128).width == 128


def test_what_takes_seconds_to_load_is_loaded_by_those_who_need_it():
    code = "import sys; from auxformer.benchmark.run import evaluate; from auxformer.models import list_models; list_models()\n"
    code += "sys.exit(' '.join({'sklearn', 'scipy.signal', 'scipy.stats', 'transformers', 'cv2', 'matplotlib'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stderr == "\n", found.stderr


def core_files() -> list[Path]:
    """What a student reads in an afternoon (HOUSE): the files that the picture in the guide shows."""
    sys.path.insert(0, str(PACKAGE.parent / "figures"))
    import rooms

    return [rooms.file_of(name) for _, names in rooms.ROOMS.values() for name in names]


def test_the_core_reads_in_an_afternoon():
    files = core_files()
    assert sum(len(file.read_text().splitlines()) for file in files) <= 2500
    for room in ("data", "training"):
        there = {file for file in (PACKAGE / room).glob("*.py") if file.name != "__init__.py"}
        assert there <= set(files), f"the picture of the core lacks {there - set(files)}"
