"""Kubeflow Pipelines as a `Service`, through kfp's client.

kfp prints links and warnings to stdout, which is ours; and a host that does not answer costs it half a
minute of retries, so that is looked at first.
"""

import contextlib
import io
import logging
import os
import socket
import tempfile
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import kfp
import kfp_server_api
import urllib3
import yaml

from components.errors import InputError, Passing
from pipeline.config.cloud import CloudConfig
from pipeline.config.kubeflow import KubeflowConfig
from pipeline.config.problems import Unsuited
from pipeline.submit.cron import Cron
from pipeline.submit.job_file import JobFile
from pipeline.submit.job_ids import job_id, now
from pipeline.submit.kubeflow_look import look_of, schedule_of
from pipeline.submit.parameters import Value, check, definitions
from pipeline.submit.service import Look, Schedule, Submission

_CONNECT_SECONDS = 10.0
_PAGE = 100
_AT_ONCE = 1
_LONGEST = 400


class KubeflowService:
    """Runs and recurring runs of one installation."""

    options = " --target kubeflow"

    def __init__(self, cloud: CloudConfig, kubeflow: KubeflowConfig | None) -> None:
        """Take the sections; nothing is sent.

        Raises:
          Unsuited: there is no section `kubeflow`, or a file of it.
        """
        if kubeflow is None:
            raise Unsuited(
                ("kubeflow", "missing, expected a section with host: docs/submitting.md")
            )
        certificates = kubeflow.certificate_file
        if certificates and not os.path.isfile(certificates):
            raise Unsuited(("kubeflow.certificate_file", f"got {certificates}, expected a file"))
        self._cloud = cloud
        self._to = kubeflow

    def request(self, submission: Submission) -> dict[str, Any]:
        self._check(submission)
        return {
            "displayName": self._job_id(submission),
            "pipelineSpec": submission.file.spec,
            "runtimeConfig": {
                "parameters": self._values(submission),
                "pipelineRoot": self._root(submission),
            },
        }

    def schedule_request(self, submission: Submission, cron: Cron, name: str) -> dict[str, Any]:
        return self.request(submission) | {
            "displayName": name,
            "maxConcurrency": _AT_ONCE,
            "noCatchup": True,
            "trigger": {"cronSchedule": {"cron": cron.kubeflow}},
        }

    def submit(self, submission: Submission) -> str:
        self._check(submission)
        with self._client() as client, _package(submission.file) as package:
            run = client.run_pipeline(
                experiment_id=self._experiment(client),
                job_name=self._job_id(submission),
                pipeline_package_path=package,
                params=self._values(submission),
                pipeline_root=self._root(submission),
                enable_caching=submission.cache,
                service_account=self._account(),
            )
        return str(run.run_id)

    def looker(self, job: str, file: JobFile | None) -> Callable[[], Look]:
        def look() -> Look:
            with self._client() as client:
                return look_of(client.get_run(job), file)

        return look

    def address(self, job: str) -> str:
        return f"{self._to.host.rstrip('/')}/#/runs/details/{job}"

    def cancel(self, job: str) -> None:
        with self._client() as client:
            client.terminate_run(job)

    def schedule(self, submission: Submission, cron: Cron, name: str) -> str:
        self._check(submission)
        with self._client() as client, _package(submission.file) as package:
            made = client.create_recurring_run(
                experiment_id=self._experiment(client),
                job_name=name,
                cron_expression=cron.kubeflow,
                max_concurrency=_AT_ONCE,
                no_catchup=True,
                params=self._values(submission),
                pipeline_package_path=package,
                pipeline_root=self._root(submission),
                enable_caching=submission.cache,
                service_account=self._account(),
            )
        return str(made.recurring_run_id)

    def schedules(self) -> list[Schedule]:
        found: list[Schedule] = []
        token = ""
        with self._client() as client:
            while True:
                page = client.list_recurring_runs(
                    page_token=token, page_size=_PAGE, namespace=self._to.namespace or None
                )
                found += map(schedule_of, page.recurring_runs or [])
                token = page.next_page_token or ""
                if not token:
                    return sorted(found, key=lambda each: each.name)

    def pause(self, schedule: str) -> None:
        with self._client() as client:
            client.disable_recurring_run(schedule)

    def resume(self, schedule: str) -> None:
        with self._client() as client:
            client.enable_recurring_run(schedule)

    def delete(self, schedule: str) -> None:
        with self._client() as client:
            client.delete_recurring_run(schedule)

    def _check(self, submission: Submission) -> None:
        """Before anything is sent, as for Vertex.

        Raises:
          InputError: a parameter is missing or does not fit.
        """
        file = submission.file
        check(self._values(submission), definitions(file.spec), file.path)

    def _values(self, submission: Submission) -> dict[str, Value]:
        return submission.file.parameters | dict(submission.parameters)

    def _root(self, submission: Submission) -> str:
        return submission.file.root or self._cloud.root

    def _account(self) -> str | None:
        """Of Kubernetes, not of Google: no @; else the installation's own."""
        account = self._cloud.service_account
        return account if account and "@" not in account else None

    def _job_id(self, submission: Submission) -> str:
        return submission.job_id or job_id(submission.file.name, now())

    def _experiment(self, client: kfp.Client) -> str:
        made = client.create_experiment(self._to.experiment, namespace=self._to.namespace or None)
        return str(made.experiment_id)

    @contextlib.contextmanager
    def _client(self) -> Iterator[kfp.Client]:
        """A client, for calls whose errors come out as one line."""
        _check_reachable(self._to.host)
        with _one_line(self._to.host), _silent():
            yield kfp.Client(
                host=self._to.host,
                namespace=self._to.namespace or "kubeflow",  # which kfp takes for none
                existing_token=_token(self._to.token_file),
                ssl_ca_cert=self._to.certificate_file,
            )


@contextlib.contextmanager
def _package(file: JobFile) -> Iterator[str]:
    """The spec alone, in a file as kfp takes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pipeline.yaml")
        with open(path, "w", encoding="utf-8") as target:
            yaml.safe_dump(file.spec, target)
        yield path


def _token(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise Unsuited(("kubeflow.token_file", f"{path}: {error.strerror}")) from error


def _check_reachable(host: str) -> None:
    found = urllib.parse.urlsplit(host)
    port = found.port or (443 if found.scheme == "https" else 80)
    try:
        socket.create_connection((found.hostname or "", port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Passing(f"kubeflow.host: {host}: {reason}, expected Kubeflow Pipelines") from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # of what fails it logs tracebacks; it is told as an error
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _one_line(host: str) -> Iterator[None]:
    """Make one line of what kfp's client raises."""
    try:
        yield
    except InputError:
        raise
    except kfp_server_api.ApiException as error:
        text = f"kubeflow.host: {host}: {_reason(error)}"
        if (error.status or 0) >= 500 or error.status == 429:
            raise Passing(f"{text}; it may be tried again") from error
        raise InputError(text) from error
    except (urllib3.exceptions.HTTPError, TimeoutError) as error:
        text = " ".join(str(error).split())[:_LONGEST].rstrip(".")
        raise Passing(f"kubeflow.host: {host}: {text}; it may be tried again") from error
    except ValueError as error:
        raise InputError(f"kubeflow.host: {host}: {' '.join(str(error).split())}") from error


def _reason(error: kfp_server_api.ApiException) -> str:
    """Status and message, without the headers."""
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else error.body
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        body = yaml.safe_load(body)["message"]
    text = f"{error.status} {error.reason}: {' '.join(str(body or '').split())}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
