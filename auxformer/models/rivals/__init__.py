"""The systems that AuxFormer is compared with."""
