"""A project with a cloud, and a compiled pipeline that is small enough to be read."""

import pathlib

CONFIG = """
pipeline: {name: numbers}
task: lm
data: {path: "rows-{SPAN}"}
cloud:
  project: my-project
  region: europe-west4
  root: gs://bucket/pipelines
  data: gs://bucket/data/span-{SPAN}
  image: europe-docker.pkg.dev/p/r/tokenline:0.1.0
  labels: {team: nlp}
"""
REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
_STEPS = ("SpanWindow", "SequenceTrainer", "Pusher")


def compiled():
    """As `tokenline compile` would write it."""
    tasks = {
        name: {"taskInfo": {"name": name}, "componentRef": {"name": name}}
        for name in (*_STEPS, "Importer")
    }
    components = {name: {"executorLabel": f"{name}_executor"} for name in tasks}
    components["Pusher"]["outputDefinitions"] = {
        "artifacts": {"pushed_model": {"artifactType": {"schemaTitle": "tfx.PushedModel"}}}
    }
    container = {"container": {"image": "i", "command": ["python"]}}
    executors = {f"{name}_executor": container for name in _STEPS}
    executors["Importer_executor"] = {"importer": {"typeSchema": {"schemaTitle": "tfx.Model"}}}
    declared = {
        "data_path": {"parameterType": "STRING"},
        "spans": {"parameterType": "STRING", "defaultValue": "latest:1"},
        "new_spans": {"parameterType": "STRING", "defaultValue": "[]"},
        "fingerprint": {"parameterType": "STRING", "defaultValue": ""},
        "train_steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0.0},
        "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5},
        "run_key": {"parameterType": "STRING", "defaultValue": ""},
    }
    return {
        "displayName": "numbers",
        "labels": {"tfx_version": "1-21-0"},
        "serviceAccount": "runner@my-project.iam.gserviceaccount.com",
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/pipelines"},
        "pipelineSpec": {
            "pipelineInfo": {"name": "numbers"},
            "schemaVersion": "2.1.0",
            "sdkVersion": "tfx-1.21.0",
            "root": {"dag": {"tasks": tasks}, "inputDefinitions": {"parameters": declared}},
            "components": components,
            "deploymentSpec": {"executors": executors},
        },
    }
