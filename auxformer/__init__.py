"""AuxFormer: audiovisual emotion recognition when a voice or a face may be missing.

Importing the package is cheap on purpose: torch and pandas are loaded by the module that needs them.
"""

__version__ = "0.1.0"
