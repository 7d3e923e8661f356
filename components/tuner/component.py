"""SequenceTuner: TFX's Tuner, with the vocabulary as an input and typed parameters."""

from tfx import types
from tfx.components.tuner.component import Tuner
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.tuner import executor, spec


class SequenceTuner(Tuner):
    """TFX's own takes a `tuner_fn` by dotted path, but no vocabulary, and no hash of the code."""

    SPEC_CLASS = spec.SequenceTunerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        vocabulary: types.BaseChannel,
        settings: str,
        model_options: str,
        loss_options: str,
        batch_options: str,
        train_options: str,
        tune_options: str,
        code_hash: str,
        base_model: types.BaseChannel | None = None,
        base_model_folder: str = "",
    ) -> None:
        """Construct the component; what SequenceTrainer takes too is the same as there.

        Args:
          examples: transformed Examples with the splits `train` and `eval`.
          transform_graph: TransformGraph.
          vocabulary: components.Vocabulary.
          settings: JSON of `transform.settings.Settings`.
          model_options: JSON of `request.ModelOptions`; the space goes before it.
          loss_options: JSON of `request.LossOptions`.
          batch_options: JSON of `request.BatchOptions`.
          train_options: JSON of `request.TrainOptions`.
          tune_options: JSON of `search.TuneOptions`.
          code_hash: hash of the code: an edit is a cache miss.
          base_model: Model that every trial starts from, if there is one.
          base_model_folder: of its artifact, instead of `base_model`; may be another node's output.
        """
        base_component.BaseComponent.__init__(
            self,
            spec=spec.SequenceTunerSpec(
                examples=examples,
                transform_graph=transform_graph,
                vocabulary=vocabulary,
                settings=settings,
                model_options=model_options,
                loss_options=loss_options,
                batch_options=batch_options,
                train_options=train_options,
                tune_options=tune_options,
                code_hash=code_hash,
                base_model=base_model,
                base_model_folder=base_model_folder,
                best_hyperparameters=types.Channel(type=standard_artifacts.HyperParameters),
                tuner_results=types.Channel(type=standard_artifacts.TunerResults),
            ),
        )
