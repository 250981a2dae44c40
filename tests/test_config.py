import ast
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from auxformer.config import PRESETS, Config, ModelConfig, TrainingConfig, override, preset
from auxformer.errors import InputError

PACKAGE = Path(__file__).parents[1] / "auxformer"
ORDER = ["errors", "memory", "progress", "parallel", "config", "media", "corpora", "attributes", "features", "dataset", "corruption", "missing", "models", "cost", "evaluation", "statistics", "significance", "robustness", "humans", "checkpoints", "training", "task", "benchmark", "report", "published_results", "report_tables", "report_figures", "report_sections", "report_page", "suite", "plots", "show", "widgets", "own_clip", "course", "cli", "__main__"]  # fmt: skip


def test_a_config_survives_toml(tmp_path):
    config = override(
        preset("paper"), {"training": {"loss_weights": [0.5, 0.25, 0.25]}, "data": {"classes": ["a", "b"]}}
    )
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
        ("training", "loss_weights", [1, 1]), ("data", "rule", "median"), ("training", "bucket", 1),
    ],
)  # fmt: skip
def test_a_wrong_value_raises_and_names_its_key(section, key, value):
    with pytest.raises(InputError, match=f"{section}.{key}"):
        Config.from_dict({section: {key: value}})


def test_the_digest_sees_what_changes_a_result_and_nothing_else():
    base = preset("default")
    for section in ("model", "training", "data"):
        for item in fields(getattr(base, section)):
            changed = override(
                base, {section: {item.name: _other(getattr(getattr(base, section), item.name), item.name)}}
            )
            same = (section, item.name) in {("training", "device"), ("training", "label"), ("training", "keep")}
            assert (changed.digest() == base.digest()) == same, item.name


def _other(value, name):
    choices = {"name": "auxformer-published", "positions": "cross", "padding": "attended", "summary": "last", "absent": "zeros", "optimizer": "sgd", "schedule": "constant", "drop_unit": "batch", "drop_law": "uniform", "drop_fill": "noise", "select": "loss", "video_order": "directory", "target": "face", "rule": "plurality", "device": "cpu", "label": "x", "precision": "bf16"}  # fmt: skip
    if name in choices and isinstance(value, str):
        return choices[name] if choices[name] != value else "macro-f1"
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return {"classes": ("a", "b"), "aux_hidden": (7, 8)}.get(name, (0.5, 0.3, 0.2))
    return value * 2 if value else 0.25 if isinstance(value, float) else 1


def test_every_preset_is_valid_and_the_published_ones_keep_the_published_switches():
    for name in PRESETS:
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


def test_modules_import_only_modules_above_them():
    for path in PACKAGE.rglob("*.py"):
        layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if layer == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("auxformer."):
                    other = name.split(".")[1]
                    assert ORDER.index(other) <= ORDER.index(layer), f"{path} imports {name}"


def test_importing_the_package_pulls_no_torch():
    code = "import sys, auxformer, auxformer.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        preset("default").model.width = 3
    assert replace(preset("default").model, width=128).width == 128
