"""Networks that take a `Batch` and return `Logits`, by name."""

from auxformer.models import auxformer as _auxformer
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
from auxformer.models.rivals import baselines as _baselines
from auxformer.models.rivals import concat as _concat
from auxformer.models.rivals import mmin as _mmin
from auxformer.models.rivals import mult as _mult
from auxformer.models.rivals import sfav as _sfav
from auxformer.models.rivals import tfrnet as _tfrnet
from auxformer.models.rivals import vavl as _vavl

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
