"""Our artifact types. Named `components.<Type>` because that is what the Vertex compiler accepts.

They carry no declared properties (the compiler refuses them); facts about an artifact are files
inside it or custom properties on it.
"""

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """What ExampleGen read, left out and why: `report.json`; by shard, each row's file and line."""

    TYPE_NAME = "components.IngestReport"


class SpanList(artifact.Artifact):
    """The spans that a run reads, and which of them are new: `spans.json`."""

    TYPE_NAME = "components.SpanList"


class SpanStatistics(artifact.Artifact):
    """TFDV's statistics of one span alone, as StatisticsGen writes them; with `span_check.json`."""

    TYPE_NAME = "components.SpanStatistics"


class Subwords(artifact.Artifact):
    """What ExampleGen cuts text into pieces with: the files of `Settings.with_subwords`."""

    TYPE_NAME = "components.Subwords"


class Vocabulary(artifact.Artifact):
    """Append-only vocabularies, one `<side>.jsonl` each, and `vocabulary.json` with their hash."""

    TYPE_NAME = "components.Vocabulary"


class TokenLedger(artifact.Artifact):
    """Where every token read went, per split and side: `ledger.json`."""

    TYPE_NAME = "components.TokenLedger"


class TrainingHistory(artifact.Artifact):
    """The training curve and the trainer's figures: `history.json`."""

    TYPE_NAME = "components.TrainingHistory"
