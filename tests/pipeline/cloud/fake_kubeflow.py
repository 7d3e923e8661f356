"""Kubeflow Pipelines' REST API (v2beta1) on loopback, as far as runs and recurring runs go.

Pipeline specifications are parsed strictly into the proto, as the API server does.
"""

import json
import re
from typing import Any

from fake_vertex import Call, Refused
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

API = "/apis/v2beta1"


class FakeKubeflow:
    """The state of an installation.

    Attributes:
      calls: all requests, in order.
      course: what each further look at a run shows; the last one stays.
      refusal: what each attempt to make something is answered with.
      sick: whether everything is answered with 503.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.recurring: dict[str, dict[str, Any]] = {}
        self.course: list[dict[str, Any]] = [{"state": "SUCCEEDED"}]
        self.refusal: Refused | None = None
        self.sick = False
        self._looks = 0

    def made(self, method: str, part: str) -> list[Call]:
        """The requests of a kind."""
        return [call for call in self.calls if call.method == method and call.path.endswith(part)]

    def answer(self, call: Call) -> dict[str, Any]:
        """What a request is answered with.

        Raises:
          Refused: it is answered with an error.
        """
        self.calls.append(call)
        if self.refusal and call.method == "POST":
            raise self.refusal
        if self.sick:
            raise Refused(503, "starting")
        for method, pattern, function in (
            ("GET", "/healthz", lambda call: {"multi_user": False}),
            ("GET", "/experiments", self._list_experiments),
            ("POST", "/experiments", self._create_experiment),
            ("POST", "/runs", self._create_run),
            ("GET", "/runs/([^/:]+)", self._get_run),
            ("POST", "/runs/([^/:]+):terminate", lambda call, run: {}),
            ("POST", "/recurringruns", self._create_recurring),
            ("GET", "/recurringruns", self._list_recurring),
            ("POST", "/recurringruns/([^/:]+):disable", self._disable),
            ("POST", "/recurringruns/([^/:]+):enable", self._enable),
            ("DELETE", "/recurringruns/([^/:]+)", self._delete),
        ):
            matched = re.fullmatch(API + pattern, call.path)
            if matched and method == call.method:
                return function(call, *matched.groups())
        raise Refused(404, f"no such method: {call.method} {call.path}")

    def _list_experiments(self, call: Call) -> dict[str, Any]:
        (wanted,) = json.loads(call.query["filter"])["predicates"]
        found = [
            each
            for each in self.experiments.values()
            if each["display_name"] == wanted["stringValue"]
        ]
        return {"experiments": found} if found else {}

    def _create_experiment(self, call: Call) -> dict[str, Any]:
        number = f"e{len(self.experiments)}"
        self.experiments[number] = call.body | {"experiment_id": number}
        return self.experiments[number]

    def _create_run(self, call: Call) -> dict[str, Any]:
        _check(call.body, self.experiments)
        number = f"r{len(self.runs)}"
        self.runs[number] = call.body | {"run_id": number, "state": "PENDING"}
        return self.runs[number]

    def _get_run(self, call: Call, run: str) -> dict[str, Any]:
        if run not in self.runs:
            raise Refused(404, f"run {run} not found")
        seen = self.course[min(self._looks, len(self.course) - 1)]
        self._looks += 1
        return self.runs[run] | seen

    def _create_recurring(self, call: Call) -> dict[str, Any]:
        _check(call.body, self.experiments)
        if len(call.body["trigger"]["cron_schedule"]["cron"].split()) != 6:
            raise Refused(400, "cron has six fields")
        number = f"s{len(self.recurring)}"
        self.recurring[number] = call.body | {"recurring_run_id": number, "status": "ENABLED"}
        return self.recurring[number]

    def _list_recurring(self, call: Call) -> dict[str, Any]:
        """One a page, so that somebody asks for the next."""
        numbers = sorted(self.recurring)
        at = int(call.query.get("page_token") or 0)
        found = {"recurringRuns": [self.recurring[each] for each in numbers[at : at + 1]]}
        return found | ({"next_page_token": str(at + 1)} if at + 1 < len(numbers) else {})

    def _disable(self, call: Call, number: str) -> dict[str, Any]:
        self.recurring[number]["status"] = "DISABLED"
        return {}

    def _enable(self, call: Call, number: str) -> dict[str, Any]:
        self.recurring[number]["status"] = "ENABLED"
        return {}

    def _delete(self, call: Call, number: str) -> dict[str, Any]:
        del self.recurring[number]
        return {}


def _check(body: dict[str, Any], experiments: dict[str, Any]) -> None:
    if body.get("experiment_id") not in experiments:
        raise Refused(400, "experiment_id is required")
    try:
        json_format.ParseDict(body["pipeline_spec"], pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise Refused(400, str(error)) from None
