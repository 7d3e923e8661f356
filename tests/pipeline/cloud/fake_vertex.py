"""Vertex AI's REST API on loopback, over TLS, as far as jobs and schedules of pipelines go.

Bodies are parsed strictly into aiplatform's own protos: a field that they do not have is an error, as it
is there. What becomes of a job is told beforehand (`course`), or done by a callable (`runner`).
"""

import collections
import contextlib
import dataclasses
import datetime
import http.server
import ipaddress
import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.cloud import aiplatform_v1
from google.protobuf import json_format

JOB = aiplatform_v1.PipelineJob.pb()
SCHEDULE = aiplatform_v1.Schedule.pb()
PARENT = "projects/[^/]+/locations/[^/]+"
_STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
}


@dataclasses.dataclass
class Call:
    """One request, as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]


class Refused(Exception):
    """What the server answers with instead."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeVertex:
    """The state of the service.

    Attributes:
      calls: all requests, in order.
      course: what each further look at a job shows, as parts of a PipelineJob; the last one stays.
      runner: is given a job's JSON and its id, and returns how it ended, as part of a PipelineJob.
      faults: what the next requests are answered with: (status, whether it is done all the same).
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Any] = {}
        self.schedules: dict[str, Any] = {}
        self.calls: list[Call] = []
        self.course: list[dict[str, Any]] = [{"state": "PIPELINE_STATE_SUCCEEDED"}]
        self.runner: Callable[[dict[str, Any], str], dict[str, Any]] | None = None
        self.faults: collections.deque[tuple[int, bool]] = collections.deque()
        self.port = 0
        self._looks: collections.Counter[str] = collections.Counter()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def made(self, method: str, part: str) -> list[Call]:
        """The requests of a kind."""
        return [call for call in self.calls if call.method == method and part in call.path]

    def answer(self, call: Call) -> dict[str, Any]:
        """What a request is answered with.

        Raises:
          Refused: it is answered with an error.
        """
        with self._lock:
            self.calls.append(call)
            fault = self.faults.popleft() if self.faults else None
            if fault and not fault[1]:
                raise Refused(fault[0], "injected")
            found = self._routed(call)
            if fault:
                raise Refused(fault[0], "injected after it was done")
            return found

    def _routed(self, call: Call) -> dict[str, Any]:
        for method, pattern, function in (
            ("POST", f"/v1/({PARENT})/pipelineJobs", self._create_job),
            ("GET", f"/v1/({PARENT}/pipelineJobs/[^/:]+)", self._get_job),
            ("POST", f"/v1/({PARENT}/pipelineJobs/[^/:]+):cancel", self._cancel_job),
            ("POST", f"/v1/({PARENT})/schedules", self._create_schedule),
            ("GET", f"/v1/({PARENT})/schedules", self._list_schedules),
            ("GET", f"/v1/({PARENT}/schedules/[^/:]+)", self._get_schedule),
            ("DELETE", f"/v1/({PARENT}/schedules/[^/:]+)", self._delete_schedule),
            ("POST", f"/v1/({PARENT}/schedules/[^/:]+):pause", self._pause),
            ("POST", f"/v1/({PARENT}/schedules/[^/:]+):resume", self._resume),
        ):
            matched = re.fullmatch(pattern, call.path)
            if matched and method == call.method:
                return function(matched[1], call)
        raise Refused(404, f"no such method: {call.method} {call.path}")

    def _create_job(self, parent: str, call: Call) -> dict[str, Any]:
        job = _parsed(call.body, JOB)
        number = call.query.get("pipelineJobId", "")
        if not re.fullmatch("[a-z][-a-z0-9]{0,127}", number):
            raise Refused(400, f"pipeline_job_id: {number!r}")
        job.name = f"{parent}/pipelineJobs/{number}"
        if job.name in self.jobs:
            raise Refused(409, f"{job.name} exists")
        if not job.runtime_config.gcs_output_directory:
            raise Refused(400, "runtime_config.gcs_output_directory is required")
        job.state = aiplatform_v1.PipelineState.PIPELINE_STATE_PENDING
        self.jobs[job.name] = job
        if self.runner:
            thread = threading.Thread(target=self._run, args=(job, number, call.body), daemon=True)
            self._threads.append(thread)
            thread.start()
        return _json(job)

    def _run(self, job: Any, number: str, body: dict[str, Any]) -> None:
        assert self.runner is not None
        try:
            ended = self.runner(body, number)
        except Exception as error:
            ended = {"state": "PIPELINE_STATE_FAILED", "error": {"code": 13, "message": str(error)}}
        with self._lock:
            _merge(job, ended)

    def _get_job(self, name: str, call: Call) -> dict[str, Any]:
        job = _found(self.jobs, name)
        if not self.runner:
            seen = min(self._looks[name], len(self.course) - 1)
            self._looks[name] += 1
            _merge(job, self.course[seen])
        return _json(job)

    def _cancel_job(self, name: str, call: Call) -> dict[str, Any]:
        _found(self.jobs, name).state = aiplatform_v1.PipelineState.PIPELINE_STATE_CANCELLING
        return {}

    def _create_schedule(self, parent: str, call: Call) -> dict[str, Any]:
        schedule = _parsed(call.body, SCHEDULE)
        request = schedule.create_pipeline_job_request
        if request.parent != parent or not schedule.cron or not schedule.max_concurrent_run_count:
            raise Refused(400, "parent, cron and max_concurrent_run_count are required")
        if request.pipeline_job_id:
            raise Refused(400, "pipeline_job_id of a schedule's jobs is the service's")
        schedule.name = f"{parent}/schedules/{100 + len(self.schedules)}"
        schedule.state = aiplatform_v1.Schedule.State.ACTIVE
        schedule.next_run_time.FromDatetime(datetime.datetime(2030, 1, 2, 3, 4))
        self.schedules[schedule.name] = schedule
        return _json(schedule)

    def _list_schedules(self, parent: str, call: Call) -> dict[str, Any]:
        return {"schedules": [_json(each) for each in self.schedules.values()]}

    def _get_schedule(self, name: str, call: Call) -> dict[str, Any]:
        return _json(_found(self.schedules, name))

    def _delete_schedule(self, name: str, call: Call) -> dict[str, Any]:
        del self.schedules[_found(self.schedules, name).name]
        kind = "type.googleapis.com/google.protobuf.Empty"
        return {"name": f"{name}/operations/1", "done": True, "response": {"@type": kind}}

    def _pause(self, name: str, call: Call) -> dict[str, Any]:
        _found(self.schedules, name).state = aiplatform_v1.Schedule.State.PAUSED
        return {}

    def _resume(self, name: str, call: Call) -> dict[str, Any]:
        _found(self.schedules, name).state = aiplatform_v1.Schedule.State.ACTIVE
        return {}


def step(name: str, state: str, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    """A task's record: it began at a fixed time, and ended `seconds` later."""
    begun = datetime.datetime(2026, 1, 1, 12, 0, 0)
    found: dict[str, Any] = {"taskName": name, "state": state, "startTime": _time(begun), **more}
    if seconds is not None:
        found["endTime"] = _time(begun + datetime.timedelta(seconds=seconds))
    return found


def _time(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


def _merge(job: Any, part: dict[str, Any]) -> None:
    """A later record replaces what it names; tasks keep the order in which they are told."""
    if "jobDetail" in part:
        job.ClearField("job_detail")
    tasks = part.get("jobDetail", {}).get("taskDetails", [])
    numbered = [{"taskId": str(number), **task} for number, task in enumerate(tasks, start=1)]
    detail = {"jobDetail": {"taskDetails": numbered}} if numbered else {}
    json_format.ParseDict(part | detail, job)


def _parsed(body: dict[str, Any], kind: Any) -> Any:
    try:
        return json_format.ParseDict(body, kind())
    except json_format.ParseError as error:
        raise Refused(400, str(error)) from None


def _found(there: dict[str, Any], name: str) -> Any:
    if name not in there:
        raise Refused(404, f"{name} is not found")
    return there[name]


def _json(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(message, use_integers_for_enums=True)


def certificate(folder: Any) -> tuple[str, str]:
    """Files of a self-signed certificate for localhost, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return str(folder / "certificate.pem"), str(folder / "key.pem")


@contextlib.contextmanager
def serving(
    answer: Callable[[Call], dict[str, Any]], certificate_files: tuple[str, str] | None = None
) -> Iterator[int]:
    """Answer requests on loopback, over TLS where there is a certificate; yields the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: else the kernel waits 40 ms for the second

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            address = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(address.query))
            try:
                code, found = 200, answer(Call(self.command, address.path, query, body))
            except Refused as error:
                code = error.code
                status = _STATUS.get(code, "UNAVAILABLE")
                found = {"error": {"code": code, "message": str(error), "status": status}}
                found["message"] = str(error)
            content = json.dumps(found).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        do_GET = do_POST = do_DELETE = do_PATCH = _handle

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate_files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate_files)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
