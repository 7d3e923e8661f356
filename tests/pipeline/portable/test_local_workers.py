"""The profile local with several workers: as many threads and no port, or processes that can import TFDV."""

import apache_beam as beam
import meeting
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import beam_profile
from pipeline.config.beam import BeamConfig, LocalBeamConfig


def arguments(**local) -> list[str]:
    return beam_profile.arguments(BeamConfig(local=LocalBeamConfig(**local)), "local")


def test_threads_share_the_work_and_open_no_port() -> None:
    meeting.begin(3)
    before = meeting.listening()
    with beam.Pipeline(argv=arguments(workers=3)) as pipeline:
        _ = pipeline | beam.Create(range(3)) | beam.Reshuffle() | beam.Map(meeting.meet)
    assert not meeting.barrier.broken
    assert meeting.seen == before


def test_a_process_is_told_to_import_what_makes_tfdv_importable() -> None:
    """Beam's own mode for processes hands its workers no options, a plugin among them."""
    found = arguments(workers=2, mode="processes")
    runner = beam.Pipeline(options=PipelineOptions(found)).runner
    assert type(runner).__module__ == "components.beam_processes"
    assert runner._default_environment.command_string == "components.beam_worker"
