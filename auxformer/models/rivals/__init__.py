"""The systems that AuxFormer is compared with; importing this package registers them all."""

from auxformer.models.rivals import baselines, concat, functionals, mmin, momke, mult, prmf, sfav, shaspec, tfrnet, vavl

__all__ = ["baselines", "concat", "functionals", "mmin", "momke", "mult", "prmf", "sfav", "shaspec", "tfrnet", "vavl"]
