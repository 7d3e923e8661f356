"""Runs that are jobs of Vertex AI Pipelines, of which at most one of a run key goes on at a time.

A job's id is made of the run's key and of a number. Whoever begins a run goes through the numbers: a job
that ended without an outcome is passed over, one that goes on is taken for this one, and the first that is
not there is submitted. Two that do so at once submit the same id, and Vertex takes it once. So neither the
ledger, nor the lease, nor a clock has to be right for that, and a process may die anywhere:

    claimed │ ordered │ submitted │ pushed │ told │ entered
            └ begins  └ the same  └ is     └ its note  └ its outcome
              anew      id again    followed  tells       tells
"""

import dataclasses
import itertools
import json
import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components import failures
from components.errors import InputChanged, InputError
from components.example_gen import files
from components.example_gen.splits import parse_split
from pipeline.config import Config
from pipeline.kubeflow import parameters
from pipeline.retrain import cloud_orders, cloud_places, order, staging, watching
from pipeline.retrain.cloud_orders import CloudOrder
from pipeline.retrain.order import Outcome
from pipeline.retrain.runs import GoesOn
from pipeline.retrain.states import Plan, Run, SpanVersion
from pipeline.retrain.telling import Teller

if TYPE_CHECKING:
    from pipeline.submit.following import Shown
    from pipeline.submit.service import Look
    from pipeline.submit.vertex_service import VertexService


class CloudRuns:
    """See `runs.Runs`."""

    def __init__(
        self,
        config: Config,
        teller: Teller,
        stop: watching.Stop,
        *,
        code: str,
        waits: bool,
        shown: "Shown | None" = None,
    ) -> None:
        """Take what a run needs; nothing is sent.

        Args:
          config: as `cloud_places.in_cloud` has it.
          teller: of what happens.
          stop: what ends the wait for a job.
          code: hash of the code.
          waits: whether to wait for a job at all.
          shown: where the steps of a job are told.
        """
        self._config = config
        self._config_digest = order.config_digest(config)
        self._code = code
        self._teller = teller
        self._stop = stop
        self._waits = waits
        self._shown = shown
        self._told_unread: set[tuple[int, int]] = set()
        self._connected: VertexService | None = None

    def clean_up(self) -> None:
        """What a job that was killed left is in its own folders, and named by none."""

    def check_free(self) -> None:
        """Jobs of the user's own are in nobody's way."""

    def can_read(self, version: SpanVersion) -> bool:
        """No: a job reads whole folders."""
        if version.identity not in self._told_unread:
            self._told_unread.add(version.identity)
            self._teller.tell("span_unread", span=version.span)
        return False

    def begin(self, plan: Plan, attempt: int) -> Outcome:
        """The run, to its end. What it needs and does not get is nobody's attempt.

        Raises:
          GoesOn: this process does not wait for it, or no longer.
          Passing: the job goes on, but Vertex does not say how.
        """
        spans = tuple((span, content) for span, _, content in plan.spans)
        try:
            if done := self.settled(plan.key):
                return done
            number, job, look = self._standing(plan.key)
            ordered = CloudOrder(
                key=plan.key,
                attempt=attempt,
                number=number,
                spans=spans,
                new=tuple(span for span, *_ in plan.new),
                code=self._code,
                config=self._config_digest,
                push_to=self._config.serving.push_to,
            )
            cloud_orders.write(self._config, ordered)
            if look is None:
                if done := self.settled(plan.key):  # one that has ended meanwhile
                    return done
                self._submit(ordered)
        except InputError as error:
            reason = str(error)
            return Outcome(key=plan.key, state="failed", reason=reason, passing=True)
        return self._follow(plan.key, job)

    def settled(self, key: str) -> Outcome | None:
        """How a run has ended that pushed or was refused."""
        return cloud_orders.settled(self._config, key)

    def take_up(self, run: Run) -> Outcome | None:
        """Follow the job of a claimed run; if it was ordered and is not there, it is submitted now.

        Raises:
          GoesOn: as `begin`.
          InputError: the store or Vertex refuse, or are out of reach.
        """
        if done := self.settled(run.key):
            return done
        ordered = cloud_orders.read(self._config, run.key)
        if ordered is None or ordered.attempt != run.attempts:
            return None
        if self._look(self._job(run.key, ordered.number)) is None:
            if not ordered.is_of(self._code, self._config_digest):
                return None
            try:
                self._submit(ordered)
            except InputChanged:  # what was ordered cannot be had any more
                return None
        return self._follow(run.key, self._job(run.key, ordered.number))

    def with_record(self, key: str, outcome: Outcome) -> Outcome:
        """The outcome as it is: a job's record is Vertex's."""
        del key
        return outcome

    def _standing(self, key: str) -> tuple[int, str, "Look | None"]:
        """The first job of a run that has not ended, None for one that is not there."""
        for number in itertools.count(1):
            job = self._job(key, number)
            look = self._look(job)
            if look is None or not look.has_ended:
                return number, job, look
        raise AssertionError("unreachable")

    def _follow(self, key: str, job: str) -> Outcome:
        """Wait for the end of a job, if that is wanted, and see what it has left."""
        from pipeline.submit.following import follow

        short = job.rpartition("/")[2]
        looker = self._service.looker(job, None)
        if self._waits:
            look = follow(looker, self._shown or _Silent(), lambda pause: self._wait(pause, short))
        else:
            look = looker()
        if not look.has_ended:
            raise GoesOn(short, failing=self._told(short) is not None)
        if done := self.settled(key):
            return dataclasses.replace(done, run=short)
        return self._failed(key, look, short)

    def _failed(self, key: str, look: "Look", job: str) -> Outcome:
        """How a job failed: as its step told, else as far as Vertex tells.

        What may pass is an attempt here, though it is none on this machine: each costs a job.
        """
        told = self._told(job)
        if told is None:
            return Outcome(key=key, state="failed", reason=_why(look, job), run=job)
        return Outcome(
            key=key, state="failed", reason=told.reason, permanent=told.permanent, run=job
        )

    def _told(self, job: str) -> failures.Failure | None:
        return failures.read(cloud_places.runs_folder(self._config), job)

    def _wait(self, seconds: float, job: str) -> None:
        if self._stop.wait(seconds):
            raise GoesOn(job)

    def _look(self, job: str) -> "Look | None":
        """A job as it is now; None: there is no such job."""
        from pipeline.submit import google_errors

        try:
            return self._service.looker(job, None)()
        except InputError as error:
            if google_errors.is_not_found(error):
                return None
            raise

    def _submit(self, ordered: CloudOrder) -> None:
        """Compile the line for what is ordered and send it; one of its id that is there is taken for it.

        Raises:
          InputError: it cannot be compiled, a span has changed, or Vertex refuses.
        """
        from pipeline.kubeflow_runner import BadSpecification, compile_pipeline
        from pipeline.submission import VertexSubmitter

        values: dict[str, str | int] = {
            parameters.DATA_PATH: self._config.data.path,
            parameters.SPANS: json.dumps([span for span, _ in ordered.spans]),
            parameters.NEW_SPANS: json.dumps(list(ordered.new)),
            parameters.FINGERPRINT: fingerprint(self._config, dict(ordered.spans)),
        }
        with tempfile.TemporaryDirectory(prefix="tokenline-") as folder:
            path = os.path.join(folder, "pipeline.json")
            try:
                compile_pipeline(self._config, "vertex", path)
            except BadSpecification as bad:
                raise InputError(str(bad)) from bad
            submitter = VertexSubmitter(self._config, path)
            failures.forget(
                cloud_places.runs_folder(self._config), self._short(ordered.key, ordered.number)
            )
            job = submitter.submit(ordered.key, ordered.number, values)
        short = job.rpartition("/")[2]
        address = self._service.address(job)
        self._teller.tell("run_submitted", key=ordered.key[:8], job=short, address=address)

    def _job(self, key: str, number: int) -> str:
        return self._service.place.job_name(self._short(key, number))

    def _short(self, key: str, number: int) -> str:
        from pipeline.submission import job_of

        return job_of(self._config.pipeline.name, key, number)

    @property
    def _service(self) -> "VertexService":
        """Vertex, once it is needed: its client takes seconds to load."""
        if self._connected is None:
            from pipeline.submit.sections import cloud_of
            from pipeline.submit.vertex_service import VertexService

            self._connected = VertexService(cloud_of(self._config))
        return self._connected


class _Silent:
    """As `following.Shown`, for whom nobody listens to."""

    def step(self, step: object) -> None:
        pass

    def now(self, steps: object) -> None:
        pass

    def delayed(self, reason: str) -> None:
        pass

    def clear(self) -> None:
        pass


def fingerprint(config: Config, spans: Mapping[int, str]) -> str:
    """What ExampleGen is to find in these spans: `files.fingerprint` of all their files.

    Args:
      config: with the path of the data there.
      spans: number to content.

    Raises:
      InputChanged: a span is gone, or is another one by now.
      InputError: one cannot be read.
    """
    path = config.data.path
    here = staging.are_here(config, spans)
    there = {} if here else {seen.span: seen for seen in staging.look(path)}
    base = staging.input_base(config, spans, there)
    split = parse_split(config.data.split)
    listing = files.input_files(base, tuple(sorted(spans)), config.data.format, split=split)
    digest, contents = files.fingerprints(listing.files)
    for span, content in spans.items():
        if contents.get(span) != content:
            raise InputChanged(f"{path}: span {span} is another one by now; run again")
    return digest


def _why(look: "Look", job: str) -> str:
    """Why a job has ended without an outcome."""
    if look.state == "cancelled":
        return f"job {job} was cancelled"
    if look.state == "done":
        return f"job {job} ended and left no outcome: its image may hold another tokenline"
    for step in look.steps:
        if step.state == "failed":
            return f"{step.name} failed: {step.reason or look.reason or 'see the log of the job'}"
    return look.reason or f"job {job} failed; see its log"
