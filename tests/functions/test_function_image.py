"""The function's Dockerfile: what it copies is there, and what it installs is in the lock."""

import ast
import pathlib

from tools import dockerfile, locked
from tools.dockerfile import copy_of

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FUNCTION = REPOSITORY / "functions" / "retrain_trigger"
BUILD, IMAGE = dockerfile.parse((FUNCTION / "Dockerfile").read_text())


def test_what_is_copied_is_there() -> None:
    for stage in (BUILD, IMAGE):
        for copied in map(copy_of, stage.all("COPY")):
            if not copied.stage:
                assert all((REPOSITORY / source).is_file() for source in copied.sources)


def test_what_it_needs_is_locked_with_hashes() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    found = locked.select(lock, ["functions-framework"])
    names = {line.split("==")[0] for line in found.splitlines() if "==" in line}
    assert {"functions-framework", "cloudevents", "flask", "gunicorn"} <= names
    assert "--hash=sha256:" in found


def test_the_image_starts_the_function_that_there_is() -> None:
    (command,) = IMAGE.all("CMD")
    (started,) = [word for word in command.words() if "create_app" in word]
    call = ast.parse(started.partition(":")[2], mode="eval").body
    assert isinstance(call, ast.Call)
    target, source = map(ast.literal_eval, call.args)
    module = ast.parse((FUNCTION / source).read_text())
    assert target in [each.name for each in module.body if isinstance(each, ast.FunctionDef)]
    assert IMAGE.base == "tokenline:latest"
    assert BUILD.base == "python:3.13-slim-trixie"  # as the image's: what is copied has to fit
