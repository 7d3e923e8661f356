"""The Beam side of batch scoring: one element is a file, or a part of one."""

import apache_beam as beam

from pipeline.scoring.files import BatchFile
from pipeline.scoring.units import BatchRequest, loaded_model, run_unit


class RunUnit(beam.DoFn):
    """(index, file) -> files of results in a folder, see `units`."""

    def __init__(self, request: BatchRequest, folder: str) -> None:
        """Take what to do with each file, and the folder, which workers can reach."""
        self._request, self._folder = request, folder

    def setup(self) -> None:
        loaded_model(self._request.model)

    def process(self, element: tuple[int, BatchFile]) -> None:
        run_unit(*element, self._request, self._folder)
