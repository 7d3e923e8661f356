"""`python -m pipeline retrain …` whose Vertex is on loopback, and whose line is compiled already."""

import json
import os
import sys

from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform

from pipeline import kubeflow_runner
from pipeline.__main__ import main
from pipeline.submit import following

aiplatform.init(
    api_endpoint=f"localhost:{os.environ['FAKE_VERTEX_PORT']}",
    api_transport="rest",
    credentials=AnonymousCredentials(),
)


def compiled(config, target, path):
    with open(os.environ["COMPILED"]) as source, open(path, "w") as file:
        json.dump(json.load(source), file)


kubeflow_runner.compile_pipeline = compiled
following.POLL_SECONDS = 0.1
sys.exit(main(sys.argv[1:]))
