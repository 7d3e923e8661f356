"""SequenceTrainer: trains with the masked, weighted sequence loss and exports the served model."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.artifacts import TrainingHistory
from components.trainer import executor, spec


class SequenceTrainer(base_component.BaseComponent):
    """A Trainer with typed parameters instead of a `run_fn`."""

    SPEC_CLASS = spec.SequenceTrainerSpec
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
        decode_options: str,
        code_hash: str,
        base_model: types.BaseChannel | None = None,
        data_key: str = "",
        base_model_folder: str = "",
        train_steps: int = 0,
        ingest_report: types.BaseChannel | None = None,
        hyperparameters: types.BaseChannel | None = None,
    ) -> None:
        """Construct the component. All parameters are JSON of the classes named here.

        Args:
          examples: transformed Examples with the splits `train` and `eval`.
          transform_graph: TransformGraph, which the served model carries.
          vocabulary: components.Vocabulary, which gives the sizes of the model.
          settings: `transform.settings.Settings`.
          model_options: `request.ModelOptions`.
          loss_options: `request.LossOptions`.
          batch_options: `request.BatchOptions`.
          train_options: `request.TrainOptions`.
          decode_options: `decoding.DecodeOptions`.
          code_hash: hash of the code: an edit is a cache miss.
          base_model: Model to start from; with `warm_start: auto`, and if there is one.
          data_key: what the model is trained on, kept with it.
          base_model_folder: of its artifact, instead of `base_model`; may be another node's output.
          train_steps: optimizer steps, instead of what `train_options` says; 0: as that says. May be a
            runtime parameter.
          ingest_report: components.IngestReport, by which a bad batch names its rows' lines.
          hyperparameters: HyperParameters that a Tuner found; they go before the options.
        """
        super().__init__(
            spec=spec.SequenceTrainerSpec(
                examples=examples,
                transform_graph=transform_graph,
                vocabulary=vocabulary,
                settings=settings,
                model_options=model_options,
                loss_options=loss_options,
                batch_options=batch_options,
                train_options=train_options,
                decode_options=decode_options,
                code_hash=code_hash,
                base_model=base_model,
                data_key=data_key,
                base_model_folder=base_model_folder,
                train_steps=train_steps,
                ingest_report=ingest_report,
                hyperparameters=hyperparameters,
                model=types.Channel(type=standard_artifacts.Model),
                history=types.Channel(type=TrainingHistory),
            )
        )
