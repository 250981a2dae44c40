"""AuxFormer: audiovisual emotion recognition when a voice or a face may be missing.

    import auxformer as af

    corpus = af.read_corpus("CREMA-D")                    which corpus it is, is found out
    task = af.Task(corpus, audio="lld", video="hog",      extracts what is missing, with a bar
                   target="audiovisual", rule="majority")
    split = task.split(0)                                 train, dev, test by speaker
    run = af.fit("auxformer", split, out="runs/mine")     or a Config; resumes
    table = run.predict(split.test, conditions="basic")   a row per clip and condition
    af.score(table)                                       scores with intervals over speakers
    af.compare(table, other)                              paired test
    af.load("runs/mine").recognise("clip.mp4")            needs neither corpus nor features
    af.bench("quick")                                     suites; af.report(...) makes a page

Corpora     make_corpus, read_corpus
Learning    Task, preset, override, Config, fit, load
Judging     score, compare, bench, report
Models      list_models, create_model, register_model, Logits, Batch
Errors      InputError

`help(af.fit)` and so on say more. Importing the package is cheap on purpose: a name is loaded when it is first used, and torch
and pandas with it.
"""

import importlib

from auxformer import _moved  # noqa: F401  an old module's name is answered with its new one

__version__ = "0.2.0"

_HOMES = {
    "make_corpus": "corpora.registry",
    "read_corpus": "corpora",
    "Task": "data.task",
    "Batch": "data.batch",
    "Config": "config",
    "preset": "config",
    "override": "config",
    "fit": "training.fit",
    "load": "training.run",
    "score": "evaluation.intervals",
    "compare": "evaluation.tests:compare_two",
    "bench": "benchmark.bench",
    "report": "reports",
    "list_models": "models",
    "create_model": "models",
    "register_model": "models",
    "Logits": "models",
    "InputError": "errors",
}
"""Name -> the module that has it, and the name it has there where that is another."""

__all__ = list(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'auxformer' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, _, other = _HOMES[name].partition(":")
    found = getattr(importlib.import_module(f"auxformer.{module}"), other or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
