"""Whatever a compiled file has in one of its places: it is refused in a line, or looked at; no traceback."""

import copy
import random

import pytest
from compiled_line import CONFIG, compiled

from components.errors import InputError
from pipeline.emulator import specification
from pipeline.kubeflow import reading
from pipeline.kubeflow.lint import lint
from pipeline.submit import job_file, parameters

OTHERS = (None, 3, -1.5, "x", "", [], {}, [None], {"a": None}, True, "{{$}}", 10**30, "\ud800")


def _paths(part, path=()):
    """Every place in a document."""
    items = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*path, key))


def _broken(document, path, other):
    """With something else, or nothing, in one place."""
    found = copy.deepcopy(document)
    part = found
    for key in path[:-1]:
        part = part[key]
    if other is OTHERS:
        del part[path[-1]]
    else:
        part[path[-1]] = copy.deepcopy(other)
    return found


def _look(document) -> None:
    """All that commands do with a file before anything runs."""
    found = reading.checked(document, "x")
    for target in ("vertex", "kubeflow"):
        lint(found.document, target)
    job_file.steps_of(found.spec)
    line = specification.from_document(document, "x")
    declared = parameters.declared_by(line.root.parameters)
    parameters.complete(line.given, declared, "x")


@pytest.mark.parametrize("seed", range(2))
def test_no_other_value_anywhere_is_a_traceback(seed, job) -> None:
    job["runtimeConfig"]["parameterValues"] = {"train_steps": 3, "spans": "[3]"}
    chance = random.Random(seed)
    places = list(_paths(job))
    # Most are in the tasks; what is said once only is to be met, too.
    rare = [place for place in places if "components" not in place and "tasks" not in place]
    refused = []
    for path in (*chance.sample(places, 60), *chance.sample(rare, 40)):
        other = chance.choice((*OTHERS, OTHERS))
        try:
            _look(_broken(job, path, other))
        except InputError as error:
            refused.append(str(error))
        except Exception as error:
            raise AssertionError(f"{path} is {other!r}") from error
    assert len(refused) > 30
    assert all(text.startswith("x: ") for text in refused)


def test_the_line_itself_is_looked_at_to_the_end(tmp_path) -> None:
    _look(compiled(tmp_path, CONFIG))
