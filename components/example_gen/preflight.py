"""A quick look at the input before TensorFlow and TFX are imported. Pure Python.

It finds in milliseconds what would otherwise fail after the imports: no such folder or file, no
such column, another format, and bad rows near the start. ExampleGen then checks every row.
"""

import itertools

from components.example_gen.checking import checked_rows
from components.example_gen.faults import FileFault
from components.example_gen.files import InputFile, Listing, input_files
from components.example_gen.outcome import BadRow, FileResult, raise_bad_rows
from components.example_gen.readers import record_frames
from components.example_gen.request import IngestRequest

ROWS_PER_FILE = 50
FILES_READ = 100


def preflight(request: IngestRequest) -> Listing:
    """Check that the files exist and that their first rows fit the configured columns.

    TFRecords are checked for their framing only, since decoding them needs TensorFlow.

    Returns:
      The files that a run would read, for `files.fingerprint`.

    Raises:
      InputError: as ExampleGen would raise it.
    """
    listing = input_files(request.input_base, request.spans, request.format, split=request.split)
    looked = [_look(file, request) for file in listing.files[:FILES_READ]]
    raise_bad_rows(looked, request, looked_at=f"in the first {ROWS_PER_FILE} rows of a file")
    return listing


def _look(file: InputFile, request: IngestRequest) -> FileResult:
    result = FileResult(path=file.path, span=file.span, bytes=file.size)
    try:
        if request.format == "tfrecord":
            result.rows = sum(1 for _ in itertools.islice(record_frames(file.path), ROWS_PER_FILE))
            return result
        for row in itertools.islice(checked_rows(file, request), ROWS_PER_FILE):
            if row.problem:
                result.bad += 1
                result.bad_rows.append(BadRow(file.path, row.line, row.problem))
    except FileFault as fault:
        result.fault = BadRow(file.path, fault.line, fault.reason)
    return result
