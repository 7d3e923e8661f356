"""One folder per TFX component, plus what they share.

Component and artifact types are exported lazily: importing the loss must not load TFX.
"""

import importlib
from typing import Any

_EXPORTS = {
    "IngestReport": "components.artifacts",
    "SpanList": "components.artifacts",
    "SpanStatistics": "components.artifacts",
    "Subwords": "components.artifacts",
    "TokenLedger": "components.artifacts",
    "TrainingHistory": "components.artifacts",
    "Vocabulary": "components.artifacts",
    "BaseModel": "components.base_model.component",
    "ExampleGen": "components.example_gen.component",
    "GivenSchema": "components.given_schema.component",
    "SequenceEvaluator": "components.evaluator.component",
    "SequenceTrainer": "components.trainer.component",
    "SequenceTuner": "components.tuner.component",
    "SequenceTransform": "components.sequence_transform.component",
    "ServingCheck": "components.serving_check.component",
    "SpanCheck": "components.span_check.component",
    "SpanWindow": "components.span_window.component",
    "StoppingExampleValidator": "components.example_validator.component",
    "VersionPusher": "components.pusher.component",
    "VocabularyGen": "components.vocabulary_gen.component",
}
__all__ = list(_EXPORTS)


def __getattr__(name: str) -> Any:
    """Import the exported type when it is first asked for (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'components' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
