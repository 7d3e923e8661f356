"""Which steps of the pipelines that were run to their end are ours: their DoFns, CombineFns and labels."""

from typing import Any

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor


class Noted(PipelineVisitor):
    """What was seen.

    Attributes:
      functions: dotted names of the classes of DoFns and CombineFns.
      labels: of all steps.
    """

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.labels: set[str] = set()

    def enter_composite_transform(self, node: AppliedPTransform) -> None:
        self.visit_transform(node)

    def visit_transform(self, node: AppliedPTransform) -> None:
        self.labels.update(node.full_label.split("/"))
        found = getattr(node.transform, "fn", None)
        if found is not None:
            kind = type(found)
            self.functions.add(f"{kind.__module__}.{kind.__qualname__}")


def noting(noted: Noted) -> type:
    """A class of pipelines whose steps are noted when they have run on Beam's portable runner."""

    class Pipeline(beam.Pipeline):
        def run(self, *args: Any, **kwargs: Any) -> Any:
            seen = Noted()
            self.visit(seen)
            on_workers = type(self.runner).__name__ == "PortableRunner"
            result = super().run(*args, **kwargs)
            if on_workers and result.wait_until_finish() == "DONE":
                noted.functions |= seen.functions
                noted.labels |= seen.labels
            return result

    return Pipeline
