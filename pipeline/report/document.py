"""The report's sections, in the order in which a reader has questions."""

from pipeline.report import as_html, as_markdown, facts
from pipeline.report.blocks import Block, Section
from pipeline.report.data import ReportData
from pipeline.report.drift import drift
from pipeline.report.ledger import ledger
from pipeline.report.lengths import lengths
from pipeline.report.lineage import lineage
from pipeline.report.metrics import numbers, tiles
from pipeline.report.samples import samples, worst
from pipeline.report.serving import serving
from pipeline.report.slices import intervals, positions
from pipeline.report.tags import tags
from pipeline.report.timing import components, goodput
from pipeline.report.training import training
from pipeline.report.tuning import tuning
from pipeline.report.verdict import banner, checks

_FOOT = "Loss = Σ w·ℓ / Σ w over the tokens with weight w > 0, in nats."


def page(data: ReportData) -> str:
    """The report as HTML."""
    return as_html.document(data.name, data.subtitle, _head(data), _sections(data), _FOOT)


def markdown(data: ReportData) -> str:
    """The same facts as markdown."""
    return as_markdown.document(data.name, data.subtitle, _head(data), _sections(data), _FOOT)


def _head(data: ReportData) -> tuple[Block, ...]:
    return banner(data) + tiles(data.metrics, data.decoded)


def _sections(data: ReportData) -> list[Section]:
    by_slice = intervals(data.metrics, data.verdict) + checks(data.verdict)
    return [
        Section("Slices", by_slice + numbers(data.metrics, data.decoded)),
        Section("Training", training(data)),
        Section("Loss by position", positions(data.metrics)),
        Section("Tags", tags(data.tags)),
        Section("Samples", samples(data.samples, tags=bool(data.tags))),
        Section("Worst", worst(data.worst)),
        Section("Serving check", serving(data.serving)),
        Section("Tuning", tuning(data.tuning)),
        Section("Lengths", lengths(data.lengths)),
        Section("Drift", drift(data.drift)),
        Section("Token ledger", ledger(data.ledger)),
        Section("Where the time went", goodput(data.time) + components(data.durations)),
        Section("Lineage", lineage(data.lineage, data.ingest)),
        Section("Data", facts.data(data.ingest)),
        Section("Files", facts.places(data.places, data.links)),
        Section("Configuration", facts.configuration(data.config)),
    ]
