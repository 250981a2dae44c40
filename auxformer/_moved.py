"""Where the modules of auxformer 0.1 are now: importing one by its old name says so. This file goes in 0.3."""

import sys

MOVED = {
    "attributes": "evaluation.ccc",
    "checkpoints": "training.state",
    "corpora.puppets": "puppets",
    "cost": "benchmark.cost",
    "dataset": "data.batch",
    "features.audio": "features.lld",
    "features.emoca": "features.imported.emoca",
    "features.faces": "features.face",
    "features.hf_vision": "features.pretrained.hf_vision",
    "features.networks": "features.pretrained.networks",
    "features.table": "features.imported.table",
    "features.vggface": "features.pretrained.vggface",
    "features.visual": "features.hog",
    "features.wav2vec2": "features.pretrained.wav2vec2",
    "humans": "evaluation.people",
    "memory": "models.memory",
    "missing": "data.missing",
    "models.baselines": "models.rivals.baselines",
    "models.concat": "models.rivals.concat",
    "models.functionals": "models.rivals.functionals",
    "models.mmin": "models.rivals.mmin",
    "models.mult": "models.rivals.mult",
    "models.published": "models.authors",
    "models.sfav": "models.rivals.sfav",
    "models.streams": "models.rivals.streams",
    "models.tfrnet": "models.rivals.tfrnet",
    "models.vavl": "models.rivals.vavl",
    "own_clip": "recognise",
    "published_results": "reports.literature",
    "report": "reports",
    "report_figures": "reports.figures",
    "report_page": "reports.page",
    "report_sections": "reports.sections",
    "report_tables": "reports.tables",
    "robustness": "evaluation.robustness",
    "significance": "evaluation.tests",
    "statistics": "evaluation.calibration",
    "suite": "benchmark.suite",
    "task": "data.task",
    "widgets": "course.widgets",
}
"""Old module -> new one, both below `auxformer`."""


class MovedFinder:
    """Asked before the real finders, so that what an old checkout left in these folders is not taken for the module."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        old = name.removeprefix("auxformer.")
        if old != name and old in MOVED:
            message = f"auxformer.{old} is now auxformer.{MOVED[old]} (the old name goes in 0.3)."
            raise ModuleNotFoundError(message, name=name)


sys.meta_path.insert(0, MovedFinder)
