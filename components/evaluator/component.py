"""SequenceEvaluator, the TFX component."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts

from components.evaluator import executor, spec
from components.evaluator.blessing import parse_blessing
from components.evaluator.evaluation import EvaluationRequest, parse_splits
from components.evaluator.slicing import parse_slices
from components.evaluator.thresholds import parse_thresholds


class SequenceEvaluator(base_beam_component.BaseBeamComponent):
    """Scores raw examples through a model's `score` signature and blesses it, or not.

    Outputs: `evaluation` (TFMA's files, metrics.json, verdict.json, worst.json, samples.json,
    sums.json) and `blessing`, as TFX's Pusher and LatestBlessedModelStrategy expect it.
    """

    SPEC_CLASS = spec.SequenceEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        *,
        baseline_model: types.BaseChannel | None = None,
        vocabulary: types.BaseChannel | None = None,
        ingest_report: types.BaseChannel | None = None,
        baseline_folder: str = "",
        example_splits: str = '["eval"]',
        slices: str = "[]",
        thresholds: str = "[]",
        blessing_rule: str = "{}",
        batch_size: int = 256,
        block_rows: int = 16_384,
        block_mb: int = 32,
        confidence: float = 0.95,
        min_tokens: int = 1000,
        worst: int = 20,
        worst_min_tokens: int = 3,
        samples: int = 8,
        decode_examples: int = 1000,
        code_hash: str = "",
    ) -> None:
        """Make the component.

        Args:
          examples: raw examples.
          model: the candidate, with `score`.
          baseline_model: the last blessed model; may resolve to nothing.
          baseline_folder: a SavedModel, instead of `baseline_model`; may be another node's output.
          vocabulary: components.Vocabulary, for the tokens' text and frequency.
          ingest_report: components.IngestReport, by which examples are named by file and line.
          example_splits: JSON list of split names.
          slices: JSON list of slice columns, see `slicing`.
          thresholds: JSON list of limits, see `thresholds.parse_thresholds`; for instance
            [{"metric": "masked_token_loss", "max_increase": 0.005, "slice": "*"}].
          blessing_rule: JSON object, how to compare with the baseline, see `blessing.Blessing`; for
            instance {"metric": "bits_per_byte", "margin": 0.005}.
          batch_size: examples per call of the model.
          block_rows, block_mb: most examples, and MiB of them, held at once to sort them by size.
          confidence: of the intervals, between 0 and 1.
          min_tokens: slices with fewer tokens are reported, not judged.
          worst: rows of each table of the worst examples and tokens.
          worst_min_tokens: by loss per token, shorter examples are not ranked.
          samples: examples that are shown token by token.
          decode_examples: of seq2seq, examples that are decoded for BLEU, chrF and exact match.
          code_hash: of the code that evaluates, so that TFX's cache knows when it changed.

        Raises:
          InputError: a parameter is not valid.
        """
        parse_splits(example_splits)
        EvaluationRequest(
            example_patterns=(),
            candidate="",
            baseline=None,
            output="",
            slices=parse_slices(slices),
            thresholds=parse_thresholds(thresholds),
            blessing=parse_blessing(blessing_rule),
            batch_size=batch_size,
            block_rows=block_rows,
            block_mb=block_mb,
            confidence=confidence,
            min_tokens=min_tokens,
            worst=worst,
            worst_min_tokens=worst_min_tokens,
            samples=samples,
            decode_examples=decode_examples,
        )
        super().__init__(
            spec.SequenceEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                vocabulary=vocabulary,
                ingest_report=ingest_report,
                baseline_folder=baseline_folder,
                example_splits=example_splits,
                slices=slices,
                thresholds=thresholds,
                blessing_rule=blessing_rule,
                batch_size=batch_size,
                block_rows=block_rows,
                block_mb=block_mb,
                confidence=float(confidence),
                min_tokens=min_tokens,
                worst=worst,
                worst_min_tokens=worst_min_tokens,
                samples=samples,
                decode_examples=decode_examples,
                code_hash=code_hash,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
