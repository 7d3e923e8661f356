"""What a report is made from: one run as plain dicts and lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a run left behind; every part may be missing.

    Attributes:
      name: the pipeline's name.
      subtitle: run id, time, task, or whatever else tells this run from others.
      verdict: the Evaluator's verdict.json.
      metrics: the Evaluator's metrics.json.
      worst: the Evaluator's worst.json.
      samples: the Evaluator's samples.json.
      tags: the Evaluator's tags.json, of tagging.
      serving: the ServingCheck's serving_check.json.
      not_pushed: why the model was not.
      history: points {"step", "train_loss", "validation_loss", "useful_tokens_per_second"}.
      start: what training started from, one line.
      tuning: {"values", "trials"} of the search before training.
      updates: of `curves.thinned`.
      skipped: bad batches, {"step", "reason", "rows", "first"} each.
      lengths: the trainer's, of `components.trainer.lengths.summary`.
      time: the trainer's "goodput", "first_step", "resumes", and whether it is "cached".
      drift: SpanCheck's span_check.json.
      ledger: VocabularyGen's ledger.json.
      ingest: ExampleGen's report.json.
      durations: {"component", "seconds", "state"} each, in the order they ran.
      lineage: of `gather.lineage`: the run's nodes, each with what it read and made.
      config: the configuration as nested dicts.
      places: what -> where, e.g. {"model": "runs/serving/3"}.
      links: what of `places` can be opened -> where that is, relative to the report.
    """

    name: str
    subtitle: str = ""
    verdict: Json = field(default_factory=dict)
    metrics: Json = field(default_factory=dict)
    worst: Json = field(default_factory=dict)
    samples: Json = field(default_factory=dict)
    tags: Json = field(default_factory=dict)
    decoded: Json = field(default_factory=dict)
    serving: Json = field(default_factory=dict)
    not_pushed: str = ""
    history: Sequence[Json] = ()
    start: str = ""
    tuning: Json = field(default_factory=dict)
    updates: Sequence[Json] = ()
    skipped: Sequence[Json] = ()
    lengths: Json = field(default_factory=dict)
    time: Json = field(default_factory=dict)
    drift: Json = field(default_factory=dict)
    ledger: Json = field(default_factory=dict)
    ingest: Json = field(default_factory=dict)
    durations: Sequence[Json] = ()
    lineage: Sequence[Json] = ()
    config: Json = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
