"""Whole jobs: order, cache, drivers, look-ups, conditions, exit handlers, failures."""

import json
import pathlib

import pytest
from compiled import Compiled, Service, schema, source, states

from components.errors import InputError

MODEL = 'schema_title="tfx.Model" AND state=LIVE'
BLESSED = 'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1'
SAME_NAME = "name=\"{{$.inputs.artifacts['input'].metadata['current_model_id']}}\""


def _two() -> Compiled:
    """One that writes, and one that reads it."""
    compiled = Compiled()
    compiled.step("Writes", 'write("out", given["text"])', parameters={"text": "a"}, outputs=_OUT)
    code = 'write("out", read("found") + "b")'
    compiled.step("Reads", code, inputs={"found": ("Writes", "out")}, outputs=_OUT)
    return compiled


_OUT = {"out": "tfx.Examples"}


def test_outputs_reach_the_tasks_that_read_them_and_lie_where_the_service_puts_them(
    service,
) -> None:
    job = service.run(_two(), job="small-1")
    assert states(job) == {"Writes": "SUCCEEDED", "Reads": "SUCCEEDED"}
    assert job.state == "SUCCEEDED"
    assert service.text(job, "Reads", "out") == "ab"
    (uri,) = job.outputs("Writes", "out")
    assert uri == "gs://bucket/root/123456789/small-1/Writes_1/out"
    assert (pathlib.Path(service.places.root) / uri.removeprefix("gs://") / "text").exists()


def test_tasks_run_after_what_they_need_however_they_are_written(service) -> None:
    compiled = Compiled()
    compiled.step("Last", dependentTasks=["First"])
    compiled.step("First")
    service.run(compiled)
    assert [name for name, _ in service.told] == ["First", "Last"]


def test_an_equal_task_of_a_later_job_comes_from_the_cache(service) -> None:
    first = service.run(_two())
    again = service.run(_two())
    assert states(again) == {"Writes": "SKIPPED", "Reads": "SKIPPED"}
    assert again.outputs("Reads", "out") == first.outputs("Reads", "out")


@pytest.mark.parametrize("what", ["parameter", "code", "image", "pipeline", "off", "not cached"])
def test_what_makes_the_cache_miss(service, what: str) -> None:
    service.run(_two())
    compiled, options = _two(), {}
    if what == "parameter":
        constant = compiled.tasks["Writes"]["inputs"]["parameters"]["text"]["runtimeValue"]
        constant["constant"] = "c"
    elif what == "code":
        compiled.executors["Writes_executor"]["container"]["command"][2] += "# edited"
    elif what == "image":
        compiled.executors["Writes_executor"]["container"]["image"] = "img:2"
    elif what == "pipeline":
        compiled.name = "other"
    elif what == "not cached":
        del compiled.tasks["Writes"]["cachingOptions"]
    else:
        options = {"cache": False}
    # The reader misses as well: its input is another artifact.
    assert states(service.run(compiled, **options)) == dict.fromkeys(
        ["Writes", "Reads"], "SUCCEEDED"
    )


def test_resources_and_labels_do_not_make_the_cache_miss(service) -> None:
    service.run(_two())
    compiled = _two()
    compiled.executors["Writes_executor"]["container"]["resources"] = {"cpuLimit": 8}
    assert states(service.run(compiled))["Writes"] == "SKIPPED"


def test_a_driver_finds_out_before_the_cache_is_asked(service, tmp_path) -> None:
    def compiled() -> Compiled:
        found = Compiled()
        driver = 'tell(fingerprint=open(given["path"]).read())'
        code = 'write("out", given["fingerprint"])'
        given = {"path": str(tmp_path / "data"), "fingerprint": ""}
        found.step("Gen", code, parameters=given, outputs=_OUT, driver=driver)
        return found

    (tmp_path / "data").write_text("one")
    assert service.text(service.run(compiled()), "Gen", "out") == "one"
    assert states(service.run(compiled())) == {"Gen": "SKIPPED"}
    (tmp_path / "data").write_text("two")
    assert service.text(service.run(compiled()), "Gen", "out") == "two"
    # OSS Kubeflow runs no driver: then the new data are not seen.
    assert service.text(service.run(compiled(), hooks=False), "Gen", "out") == ""


def test_runtime_parameters_reach_the_steps_with_their_defaults(service) -> None:
    compiled = Compiled()
    compiled.declared = {
        "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 7},
        "path": {"parameterType": "STRING"},
    }
    parameters = {
        "steps": {"componentInputParameter": "steps"},
        "path": {"componentInputParameter": "path"},
        "job": "of {{$.pipeline_job_name}}",
    }
    code = 'write("out", json.dumps([given["steps"], given["path"], given["job"]]))'
    compiled.step("Writes", code, parameters=parameters, outputs=_OUT)
    job = service.run(compiled, {"path": "gs://b/x"}, job="small-9")
    # A step is given the local folder that stands for the bucket.
    expected = [7, f"{service.places.root}/b/x", "of small-9"]
    assert json.loads(service.text(job, "Writes", "out")) == expected
    with pytest.raises(InputError, match="parameter path: missing"):
        service.run(compiled)


def test_a_value_that_a_step_gives_out_is_another_ones_parameter(service) -> None:
    compiled = Compiled()
    compiled.step("Counts", "tell(rows=12)", values={"rows": "NUMBER_INTEGER"})
    edge = {"taskOutputParameter": {"producerTask": "Counts", "outputParameterKey": "rows"}}
    compiled.step("Uses", 'write("out", str(given["rows"]))', parameters={"n": 1}, outputs=_OUT)
    compiled.components["Uses"]["inputDefinitions"]["parameters"] = {"rows": {}}
    compiled.tasks["Uses"]["inputs"]["parameters"] = {"rows": edge}
    for _ in range(2):  # the second time from the cache
        assert service.text(service.run(compiled), "Uses", "out") == "12"


def _trained(blessed: int) -> Compiled:
    """A model, a baseline that is looked up as TFX does it, and a blessing."""
    compiled = Compiled()
    compiled.resolver("Blessing", {"model_blessing": BLESSED})
    compiled.resolver("Baseline", {"model": f"{MODEL} AND {SAME_NAME}"})
    compiled.components["Baseline"]["inputDefinitions"] = {"artifacts": {"input": schema("x.Y")}}
    edge = {"artifacts": {"input": source("Blessing", "model_blessing")}}
    compiled.tasks["Baseline"]["inputs"] = edge
    compiled.step("Train", 'write("model", "m")', outputs={"model": "tfx.Model"}, cached=False)
    bless = f"""
found = said["inputs"]["artifacts"]
names = [each["uri"] for each in found["baseline"]["artifacts"]]
model = found["model"]["artifacts"][0]
write("blessing", json.dumps(names))
tell({{"blessing": {{"blessed": {blessed}, "current_model_id": model["name"]}}}})
"""
    inputs = {"model": ("Train", "model"), "baseline": ("Baseline", "model")}
    compiled.step("Evaluate", bless, inputs=inputs, outputs={"blessing": "tfx.ModelBlessing"})
    return compiled


def test_the_baseline_is_the_last_blessed_model_and_there_is_none_at_first(service) -> None:
    def baseline(job) -> list[str]:
        return json.loads(service.text(job, "Evaluate", "blessing"))

    first = service.run(_trained(blessed=1))
    assert baseline(first) == []
    second = service.run(_trained(blessed=0))
    assert baseline(second) == [service.places.here(uri) for uri in first.outputs("Train", "model")]
    third = service.run(_trained(blessed=1))
    assert baseline(third) == baseline(second)
    fourth = service.run(_trained(blessed=1))
    assert baseline(fourth) == [service.places.here(uri) for uri in third.outputs("Train", "model")]
    other = _trained(blessed=1)
    other.name = "other"
    assert baseline(service.run(other)) == []


def test_an_importer_gives_the_same_artifact_again_unless_it_reimports(service) -> None:
    def compiled(*, reimport: bool) -> Compiled:
        found = Compiled()
        importer = {
            "artifactUri": {"constant": "gs://b/schema"},
            "typeSchema": schema("tfx.Schema")["artifactType"],
            "metadata": {"version": 3},
            "reimport": reimport,
        }
        interface = {"outputDefinitions": {"artifacts": {"result": schema("tfx.Schema")}}}
        found.add("Import", interface, {"importer": importer}, {})
        code = 'write("out", said["inputs"]["artifacts"]["schema"]["artifacts"][0]["name"])'
        found.step("Uses", code, inputs={"schema": ("Import", "result")}, outputs=_OUT)
        return found

    name = service.text(service.run(compiled(reimport=False)), "Uses", "out")
    again = service.run(compiled(reimport=False))
    assert states(again)["Uses"] == "SKIPPED"
    assert service.text(service.run(compiled(reimport=True)), "Uses", "out") != name


@pytest.mark.parametrize(("blessed", "state"), [(1.0, "SUCCEEDED"), (0.0, "NOT_TRIGGERED")])
def test_a_condition_decides_and_what_comes_after_waits_for_it(service, blessed, state) -> None:
    compiled = Compiled()
    outputs = {"blessing": "tfx.ModelBlessing"}
    compiled.step("Bless", f'tell({{"blessing": {{"blessed": {blessed}}}}})', outputs=outputs)
    condition = "inputs.artifacts['b'].artifacts[0].metadata['blessed'] == 1.0"
    edge = {"b": ("Bless", "blessing")}
    compiled.step("Push", inputs=edge, triggerPolicy={"condition": condition})
    compiled.step("After", dependentTasks=["Push"])
    job = service.run(compiled)
    assert states(job) == {"Bless": "SUCCEEDED", "Push": state, "After": state}
    assert job.state == "SUCCEEDED"


def test_a_condition_that_reads_a_wrong_key_fails_its_task(service) -> None:
    compiled = Compiled()
    compiled.step(
        "Push", triggerPolicy={"condition": "inputs.artifacts['b'].artifacts[0].uri == ''"}
    )
    failed = service.run(compiled).failed()
    assert failed is not None
    assert failed.reason.endswith("there is no 'b'")


def test_a_failure_stops_what_comes_after_it_and_nothing_else(service) -> None:
    compiled = Compiled()
    compiled.step("Fails", 'raise RuntimeError("no luck")')
    compiled.step("After", dependentTasks=["Fails"])
    compiled.step("Beside")
    job = service.run(compiled)
    assert states(job) == {"Fails": "FAILED", "After": "NOT_TRIGGERED", "Beside": "SUCCEEDED"}
    assert job.state == "FAILED"
    assert job.failed().reason == "RuntimeError: no luck"
    # Nothing of what failed is remembered.
    assert states(service.run(compiled))["Fails"] == "FAILED"


@pytest.mark.parametrize("code", ["", 'raise RuntimeError("no luck")'])
def test_the_exit_handler_runs_whatever_happened_and_is_told(service, code: str) -> None:
    compiled = Compiled()
    compiled.step(
        "Inner", code + '\nwrite("out", given["text"])', parameters={"text": "x"}, outputs=_OUT
    )
    compiled.tasks["Inner"]["inputs"]["parameters"]["text"] = {"componentInputParameter": "text"}
    inner = compiled.tasks.pop("Inner")
    declared = {"text": {"parameterType": "STRING"}}
    dag = {"inputDefinitions": {"parameters": declared}, "dag": {"tasks": {"Inner": inner}}}
    compiled.components["tfx-dag"] = dag
    compiled.tasks["tfx-dag"] = {
        "componentRef": {"name": "tfx-dag"},
        "inputs": {"parameters": {"text": {"componentInputParameter": "text"}}},
    }
    compiled.declared = {"text": {"parameterType": "STRING", "defaultValue": "from the root"}}
    status = {"status": {"taskFinalStatus": {"producerTask": "tfx-dag"}}}
    compiled.step(
        "Exit",
        'write("out", given["status"])',
        parameters=status,
        outputs=_OUT,
        dependentTasks=["tfx-dag"],
        triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        cached=False,
    )
    job = service.run(compiled, job="small-3")
    told = json.loads(service.text(job, "Exit", "out"))
    assert told["pipelineJobName"] == "small-3"
    assert told["pipelineTaskName"] == "tfx-dag"
    if code:
        assert (job.state, told["state"]) == ("FAILED", "FAILED")
        assert "Inner failed: RuntimeError: no luck" in told["error"]["message"]
    else:
        assert (job.state, told["state"]) == ("SUCCEEDED", "SUCCEEDED")
        assert service.text(job, "Inner", "out") == "from the root"


def test_bad_input_is_told_from_other_failures(service) -> None:
    compiled = Compiled()
    compiled.step(
        "Reads", 'from components.errors import InputError; raise InputError("a:3: bad\\nb")'
    )
    path = {"PYTHONPATH": str(pathlib.Path(__file__).resolve().parents[3])}
    code = f"import sys; sys.path.insert(0, {path['PYTHONPATH']!r})\n"
    compiled.executors["Reads_executor"]["container"]["command"][2] = (
        code + compiled.executors["Reads_executor"]["container"]["command"][2]
    )
    failed = service.run(compiled).failed()
    assert failed.bad_input
    assert failed.reason == "a:3: bad\nb"


def test_files_in_the_working_folder_are_told(service) -> None:
    compiled = Compiled()
    compiled.step("Tidy", 'assert not os.listdir(".")')
    compiled.step("Untidy", 'open("model.bin", "w").close()')
    assert service.run(compiled).state == "SUCCEEDED"
    assert service.left == {"Untidy": ["model.bin"]}


@pytest.mark.parametrize(
    ("metadata", "pushes"), [({"pushed": 1}, "pushed"), ({"pushed": 0}, "refused")]
)
def test_whether_a_model_was_pushed(service, metadata, pushes: str) -> None:
    compiled = Compiled()
    outputs = {"pushed_model": "tfx.PushedModel"}
    compiled.step("Pusher", f'tell({{"pushed_model": {metadata}}})', outputs=outputs)
    assert service.run(compiled).pushes == pushes
    assert service.run(compiled).pushes == pushes  # from the cache
    assert service.run(_two()).pushes == "none"


def test_a_pusher_that_is_not_triggered_has_not_pushed(service) -> None:
    compiled = Compiled()
    outputs = {"pushed_model": "tfx.PushedModel"}
    compiled.step("Pusher", outputs=outputs, triggerPolicy={"condition": "1 == 2"})
    assert service.run(compiled).pushes == "refused"


def test_the_job_is_recorded(service) -> None:
    job = service.run(_two(), job="small-5")
    record = json.loads((pathlib.Path(job.folder) / "job.json").read_text())
    assert record["state"] == "SUCCEEDED"
    assert [task["name"] for task in record["tasks"]] == ["Writes", "Reads"]


def test_a_damaged_store_is_bad_input(service) -> None:
    service.run(_two())
    store = pathlib.Path(service.places.kept) / "store.json"
    store.write_text("{")
    with pytest.raises(InputError, match=r"store.json: is damaged"):
        Service(pathlib.Path(service.places.root)).run(_two())
