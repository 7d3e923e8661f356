"""`tokenline generate`: one more span of the sample data, as if new data had arrived."""

import os

from components.errors import InputError
from components.example_gen import files
from pipeline import sample_data
from pipeline.config import Config
from pipeline.config.problems import Unsuited


def generate(config: Config, span: int) -> int:
    """Write a span's rows where the configuration looks for them, and print the file.

    Raises:
      InputError: the configuration has no generator or no {SPAN} in its path, or the span exists.
    """
    generator = config.data.generator
    if generator is None:
        text = "missing, expected one: this data is not generated"
        raise Unsuited(("data.generator", text))
    if files.SPAN not in config.data.path:
        raise Unsuited(("data.path", f"got {config.data.path!r}, expected {files.SPAN} in it"))
    folder = config.data.path.replace(files.SPAN, str(span))
    if os.path.exists(os.path.join(folder, sample_data.FILE_NAME)):
        raise InputError(f"--span: got {span}, which is already there: {folder}")
    try:
        path = sample_data.write_span(folder, span, rows=generator.rows, seed=generator.seed)
    except ValueError as error:
        raise InputError(f"--span: {error}") from None
    print(os.path.relpath(path))
    return 0
