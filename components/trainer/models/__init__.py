"""Sequence models: three tasks, three families, one interface.

`build_model(ModelSpec(...))` returns a `SequenceModel`; see `model.py` for its methods.
"""

from components.trainer.models import segments
from components.trainer.models.model import SequenceModel, build_model
from components.trainer.models.spec import ModelSpec

__all__ = ["ModelSpec", "SequenceModel", "build_model", "segments"]
