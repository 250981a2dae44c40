"""Networks that take a `Batch` and return `Logits`, by name."""

from auxformer.models import (  # noqa: F401, I001  (register themselves)
    auxformer as _auxformer,
    baselines as _baselines,
    concat as _concat,
    mmin as _mmin,
    mult as _mult,
    sfav as _sfav,
    tfrnet as _tfrnet,
    vavl as _vavl,
)
from auxformer.models.auxformer import AuxFormer, AuxiliaryHead, Logits, shared_loss
from auxformer.models.registry import (
    Card,
    card_of,
    count_parameters,
    create_model,
    list_models,
    register_model,
    source_digest,
)

__all__ = [
    "AuxFormer",
    "AuxiliaryHead",
    "Card",
    "Logits",
    "card_of",
    "count_parameters",
    "create_model",
    "list_models",
    "register_model",
    "shared_loss",
    "source_digest",
]
