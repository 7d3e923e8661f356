"""One run as one HTML page, or as markdown: verdict, slices, curve, samples, ledger, lineage.

The page holds everything itself: no script, no font, no image, no request. Whatever a run did not
record is left out.
"""

from pipeline.report.data import ReportData
from pipeline.report.document import markdown, page
from pipeline.report.files import write_report

__all__ = ["ReportData", "markdown", "page", "write_report"]
