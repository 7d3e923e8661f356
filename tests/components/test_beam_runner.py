"""Which Beam runner the executors' pipelines are made for."""

import apache_beam as beam
import pytest
import tfx.components  # noqa: F401  (before TFMA)

from components.beam_runner import IN_PROCESS, with_runner
from components.evaluator import executor as evaluator
from components.example_gen import executor as example_gen
from components.sequence_transform import executor as sequence_transform
from components.vocabulary_gen import executor as vocabulary_gen

EXECUTORS = [
    module.Executor for module in (example_gen, evaluator, vocabulary_gen, sequence_transform)
]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [*IN_PROCESS]),
        ([], [*IN_PROCESS]),
        (["--a=1"], ["--a=1", *IN_PROCESS]),
        (["--runner=DataflowRunner", "--a=1"], ["--runner=DataflowRunner", "--a=1"]),
        (["--runner", "DataflowRunner"], ["--runner", "DataflowRunner"]),
        # Another option that only begins alike.
        (["--runner_image=x"], ["--runner_image=x", *IN_PROCESS]),
    ],
)
def test_a_runner_is_added_only_where_none_is_named(given, expected):
    assert with_runner(given) == expected
    assert given is None or given is not with_runner(given)


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda executor: executor.__module__)
@pytest.mark.parametrize(
    ("arguments", "runner"),
    [
        (None, "FnApiRunner"),
        (["--direct_num_workers=1"], "FnApiRunner"),
        (["--runner=PortableRunner"], "PortableRunner"),
    ],
)
def test_the_pipelines_of_every_executor(monkeypatch, executor, arguments, runner):
    made = []
    monkeypatch.setattr(beam, "Pipeline", lambda argv: made.append(argv))
    context = executor.Context(beam_pipeline_args=arguments) if arguments else None
    executor(context)._make_beam_pipeline()
    assert [a for a in made[0] if a.startswith("--runner")] == [f"--runner={runner}"]
    assert not arguments or arguments[0] in made[0]
