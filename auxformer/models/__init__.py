"""Networks that take a `Batch` and return `Logits`, by name."""

from auxformer.models.auxformer import AuxFormer, AuxiliaryHead, Logits, shared_loss
from auxformer.models.registry import (
    Card,
    builder_of,
    card_of,
    check_attributes,
    create_model,
    create_reference,
    list_models,
    list_references,
    register_model,
    register_reference,
)

__all__ = [
    "AuxFormer",
    "AuxiliaryHead",
    "Card",
    "Logits",
    "builder_of",
    "card_of",
    "check_attributes",
    "create_model",
    "create_reference",
    "list_models",
    "list_references",
    "register_model",
    "register_reference",
    "shared_loss",
]
