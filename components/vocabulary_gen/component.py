"""VocabularyGen: owns the vocabulary and the token ledger."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec

from components.artifacts import TokenLedger, Vocabulary
from components.vocabulary_gen import executor, spec


class VocabularyGen(base_beam_component.BaseBeamComponent):
    """Counts tokens in one pass over the shards; the stock Transform cannot emit what it counts."""

    SPEC_CLASS = spec.VocabularyGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        settings: str,
        vocab_size: int,
        min_frequency: int,
        max_lost_tokens: float,
        max_oov_rate: float = 1.0,
        base_vocabulary: str,
        input_key: str,
        code_hash: str,
        ingest_report: types.BaseChannel | None = None,
        subwords: types.BaseChannel | None = None,
    ) -> None:
        """Construct the component.

        Args:
          examples: raw Examples.
          settings: `transform.settings.Settings` as JSON.
          vocab_size: most ids a side may have, reserved ones included.
          min_frequency: how often a token must occur in the training split to be admitted.
          max_lost_tokens: largest share of a split's target tokens that trimming and dropping may
            cost.
          max_oov_rate: largest share of a side's tokens, in any split, that may be unknown.
          base_vocabulary: folder of the vocabulary to extend; "" starts a new one.
          input_key: hash of what the vocabulary is made from; recorded on the artifact, so that a
            later run can find it.
          code_hash: hash of the code: an edit is a cache miss.
          ingest_report: ExampleGen's report: the spans of the shards, and what was left out.
            Without it the ledger is by split only.
          subwords: what ExampleGen has cut the text with, if it learned that. Without it the pieces
            of a side that no file cuts are learned here.
        """
        super().__init__(
            spec=spec.VocabularyGenSpec(
                examples=examples,
                ingest_report=ingest_report,
                subwords=subwords,
                settings=settings,
                vocab_size=vocab_size,
                min_frequency=min_frequency,
                max_lost_tokens=float(max_lost_tokens),
                max_oov_rate=float(max_oov_rate),
                base_vocabulary=base_vocabulary,
                input_key=input_key,
                code_hash=code_hash,
                vocabulary=types.Channel(type=Vocabulary),
                ledger=types.Channel(type=TokenLedger),
            )
        )
