"""Networks that take a `Batch` and return `Logits`, by name."""

from auxformer.models import auxformer as _auxformer, baselines as _baselines  # noqa: F401  (register themselves)
from auxformer.models.auxformer import AuxFormer, AuxiliaryHead, Logits, shared_loss
from auxformer.models.registry import create_model, list_models, register_model

__all__ = ["AuxFormer", "AuxiliaryHead", "Logits", "create_model", "list_models", "register_model", "shared_loss"]
