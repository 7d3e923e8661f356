"""What runs before SpanWindow is looked up in the cache: which spans there are now, and their content.

Vertex Pipelines starts it as `lifecycle.preCacheCheck`, as it does TFX's driver of file-based ExampleGens,
and merges what it writes into the parameters that the cache is asked for: new files are no cache hit. It
writes what TFX's driver writes, an ExecutorOutput as JSON, into the executor's `outputFile`.

    python -m components.span_window.driver --json_serialized_invocation_args '{"inputs": …}'
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import InputError
from components.example_gen.files import fingerprint, input_files
from components.example_gen.splits import parse_split
from components.span_window import window

_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Resolve, and write what was found; returns the exit code."""
    parser = argparse.ArgumentParser(prog="components.span_window.driver")
    parser.add_argument("--json_serialized_invocation_args", required=True, metavar="JSON")
    # Beam's arguments and the types of the parameters come with every command line, too.
    chosen, _ = parser.parse_known_args(arguments)
    invocation = json.loads(chosen.json_serialized_invocation_args)
    try:
        found = resolved(invocation["inputs"].get("parameterValues", {}))
    except InputError as error:
        print(f"tokenline: {error}", file=sys.stderr)
        return _BAD_INPUT
    _write(invocation["outputs"]["outputFile"], {"parameterValues": found})
    print(f"tokenline: spans {found['spans']}, content {found['fingerprint']}")
    return 0


def resolved(parameters: Mapping[str, Any]) -> dict[str, str]:
    """`spans` as a JSON list and `fingerprint`, of the parameters in `spec.SpanWindowSpec`.

    A fingerprint that is given stays: ExampleGen holds the files against it.

    Raises:
      InputError: a parameter is wrong, or a span or file is not there.
    """
    names = ("input_base", "spans", "new_spans", "fingerprint")
    found = window.resolve(*(parameters.get(name, "") for name in names))
    digest = found.fingerprint
    if not digest:
        split = parse_split(json.loads(parameters["split"]))
        base, form = parameters["input_base"], parameters["format"]
        digest = fingerprint(input_files(base, found.spans, form, split=split).files)
    return {"spans": json.dumps(found.spans), "fingerprint": digest}


def _write(path: str, output: Mapping[str, Any]) -> None:
    import tensorflow as tf  # heavy, and a wrong parameter is said at once

    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(output, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
