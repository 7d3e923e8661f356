"""`tokenline score|predict` without `--output`: the same rules, words and results as with it."""

import contextlib
import gzip
import io
import json
import os
import sys
import threading

import pytest

from pipeline.scoring import models, use_model

from .conftest import read_jsonl, write_jsonl

GOOD = {"id": "good", "line": "ab cd", "w": [1, 2]}


@pytest.fixture
def typed(monkeypatch):
    """Put bytes on standard input."""

    def put(content: bytes, *, terminal: bool = False) -> None:
        stream = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
        monkeypatch.setattr(sys, "stdin", stream)

    return put


BAD_LINES = [
    b'{"line": ""}',
    b'{"line": " "}',
    b'{"line": 5}',
    b'{"text": "ab"}',
    b"",
    b"[1]",
    b'{"line": "ab", "line": "ab"}',
    b'{"line": "a\xff"}',
    b'{"line": "\\ud800"}',
    b'{"line": "a\x01"}',
    b'{"line": "ab cd", "w": [1, 2, 3]}',
    b'{"line": "ab cd", "w": [1, -2]}',
    b'{"line": "ab cd", "w": [1, NaN]}',
    b'{"line": "ab", "_span": "1"}',
]


def test_a_bad_row_is_told_in_the_words_of_output(language, tmp_path, tokenline, capsys) -> None:
    """By line after the results of the rows before it, whatever batch they are in."""
    good, file = json.dumps(GOOD).encode(), tmp_path / "rows.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in BAD_LINES))
    options = ("--model", language.folder)
    assert tokenline("score", file, *options, "--output", tmp_path / "all.jsonl") == 2
    told = capsys.readouterr().err.splitlines()[: len(BAD_LINES)]
    assert [line.split(": ")[1] for line in told] == [
        f"{file}:{line}" for line in range(1, len(BAD_LINES) + 1)
    ]
    for number, (line, words) in enumerate(zip(BAD_LINES, told, strict=True), 1):
        file.write_bytes(b"\r\n".join([good] * number + [line, good]))
        assert tokenline("score", file, *options) == 2
        found = capsys.readouterr()
        assert found.err == words.replace(f"{file}:{number}: ", f"{file}:{number + 1}: ") + "\n"
        assert found.out.count('"weight_sum": 4.0') == found.out.count("\n") == number


@pytest.mark.parametrize("command", ["score", "predict"])
def test_no_row_at_all_is_an_error(command, language, tmp_path, tokenline, capsys, typed) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"")
    for more in ((), ("--output", tmp_path / "out.jsonl")):
        assert tokenline(command, file, "--model", language.folder, *more) == 2
        assert f"{file}: got an empty file (0 bytes), expected rows\n" in capsys.readouterr().err
    typed(b"")
    assert tokenline(command, "--model", language.folder) == 2
    expected = "tokenline: standard input: got no row, expected at least one\n"
    assert capsys.readouterr().err == expected


def test_rows_that_are_cut_are_counted_and_say_by_how_much(
    language, tmp_path, tokenline, capsys
) -> None:
    """12 positions, one of which is for eos."""
    rows = [{"line": " ".join(["ab"] * words)} for words in (11, 12, 3, 20)]
    file, options = write_jsonl(tmp_path / "rows.jsonl", rows), ("--model", language.folder)
    assert tokenline("score", file, *options) == 0
    by_line = capsys.readouterr()
    assert tokenline("score", file, *options, "--output", tmp_path / "out.jsonl") == 0
    through_beam = capsys.readouterr().err.splitlines()
    for scores in (map(json.loads, by_line.out.splitlines()), read_jsonl(tmp_path / "out.jsonl")):
        assert [row["truncated_tokens"] for row in scores] == [0, 1, 0, 9]
    assert by_line.err == (
        "tokenline: 2 rows are longer than the model reads (data.max_*_length), "
        'the rest was cut off: "truncated_tokens" says how many tokens\n'
    )
    assert through_beam[1:] == by_line.err.splitlines()


def test_predict_takes_rows_where_the_first_line_is_one(
    language, tmp_path, tokenline, capsys, typed
) -> None:
    options = ("predict", "--model", language.folder)
    typed(b"ab cd\nab\n")
    assert tokenline(*options) == 0
    of_texts = capsys.readouterr().out
    content = b'\xef\xbb\xbf{"line": "ab cd"}\r\n{"line": "ab", "more": 1}\n'
    typed(content)
    assert tokenline(*options) == 0
    assert capsys.readouterr().out == of_texts
    for name in ("rows.jsonl", "rows"):
        (tmp_path / name).write_bytes(content)
        assert tokenline(*options, tmp_path / name) == 0
        assert capsys.readouterr().out == of_texts
        output = tmp_path / f"{name}-out.jsonl"
        assert tokenline(*options, tmp_path / name, "--output", output) == 0
        assert [row["output"] for row in read_jsonl(output)] == of_texts.splitlines()
        capsys.readouterr()
    typed(b'{"text": "other"}\n')  # an object, but no row of this model
    assert tokenline(*options, "--json") == 0
    assert json.loads(capsys.readouterr().out)["input"] == '{"text": "other"}'


@pytest.mark.parametrize("output", [False, True])
def test_a_row_among_texts_is_refused_unless_it_is_said_to_be_text(
    output, language, tmp_path, tokenline, capsys
) -> None:
    file, row = tmp_path / "texts", '{"line": "ab"}'
    file.write_text(f"ab\n{row}\n")
    out = tmp_path / "out.jsonl"
    options = ("predict", file, "--model", language.folder, *(("--output", out) if output else ()))
    assert tokenline(*options) == 2
    assert capsys.readouterr().err == (
        f"tokenline: {file}:2: got a JSON row among lines of text, expected text "
        "(--input text allows it)\n"
    )
    assert tokenline(*options, "--input", "text", "--json") == 0
    lines = out.read_text() if output else capsys.readouterr().out
    assert [json.loads(line)["input"] for line in lines.splitlines()] == ["ab", row]


def test_every_format_by_line_and_keys_on_request(language, tmp_path, tokenline, capsys) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": [7], "line": ["ab cd"], "w": [[1.0, 2.0]]})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text('id;line;w\nx;ab cd;"[1,2]"\n')
    with gzip.open(tmp_path / "c.jsonl.gz", "wt") as file:
        file.write(json.dumps(GOOD))
    options = ("--model", language.folder, "--delimiter", ";")
    assert tokenline("score", tmp_path / "*.*", *options) == 0
    plain = capsys.readouterr().out.splitlines()
    assert len(plain) == 3
    assert len(set(plain)) == 1
    assert tokenline("score", tmp_path / "*.*", *options, "--key-column", "id") == 0
    keyed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.pop("key") for row in keyed] == [7, "x", "good"]
    assert keyed == [json.loads(line) for line in plain]


def test_what_was_read_of_a_damaged_file_has_its_results(
    language, tmp_path, tokenline, capsys
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('line\nab\ncd\n"ef\ngh\n')
    assert tokenline("score", file, "--model", language.folder) == 2
    found = capsys.readouterr()
    assert found.out.count("\n") == 2
    assert found.err.startswith(f"tokenline: {file}:4: got a quote that is never closed")


def test_a_pipe_is_read_once_and_only_by_line(language, tmp_path, tokenline, capsys) -> None:
    source, sink = os.pipe()
    with open(sink, "w") as file:
        file.write(json.dumps(GOOD) + "\n")
    try:
        options = (f"/dev/fd/{source}", "--model", language.folder)
        assert tokenline("score", *options, "--output", tmp_path / "out.jsonl") == 2
        told = f"tokenline: /dev/fd/{source}: got a pipe with --output, expected a file\n"
        assert capsys.readouterr().err == told
        assert tokenline("score", *options) == 0
        assert json.loads(capsys.readouterr().out)["weight_sum"] == 4.0
    finally:
        os.close(source)


def test_where_a_person_types_a_bad_row_is_told_and_the_next_one_read(
    language, tokenline, capsys, typed
) -> None:
    typed(b'{"line": ""}\n{"line": "ab"}\n', terminal=True)
    assert tokenline("score", "--model", language.folder) == 2
    found = capsys.readouterr()
    assert found.out.count("\n") == 1
    assert found.err == (
        "tokenline: standard input:1: column 'line': got an empty string, expected text\n"
    )


def test_who_closes_the_output_early_is_told_nothing(language, capsys, typed, monkeypatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError

    typed(json.dumps(GOOD).encode())
    monkeypatch.setattr(use_model, "_line", closed)
    with pytest.raises(BrokenPipeError):  # which `main` ends on quietly
        use_model.score(language.folder, "")
    assert not capsys.readouterr().err


def test_a_csv_header_is_told_the_users_columns_and_option(
    language, tmp_path, tokenline, capsys
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id;line\nx;ab\n")
    for more in ((), ("--output", tmp_path / "out.jsonl")):
        assert tokenline("score", file, "--model", language.folder, *more) == 2
        assert capsys.readouterr().err == (
            f"tokenline: {file}:1: got a header with 'id;line', expected 'line'; missing: 'line'. "
            "Are cells separated by ';'? Then set --delimiter\n"
        )


@pytest.mark.parametrize("option", [("--beam=--runner=X",), ("--beam", "--runner=X")])
def test_beams_options_may_follow_as_an_argument(
    option, language, tmp_path, tokenline, capsys
) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", [GOOD])
    options = ("--model", language.folder, "--output", tmp_path / "out.jsonl", *option)
    assert tokenline("score", file, *options) == 2
    assert "--beam: got '--runner=X', expected Beam's options" in capsys.readouterr().err


def test_a_tab_may_be_written_as_an_escape(language, tmp_path, tokenline, capsys) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id\tline\nx\tab\n")
    assert tokenline("score", file, "--model", language.folder, "--delimiter", "\\t") == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_model_is_loaded_once_by_threads_that_want_it_at_once(monkeypatch) -> None:
    """`load` redirects standard error: two at once would leave it redirected."""
    both, loads = threading.Barrier(2), []

    def load(folder: str) -> str:
        loads.append(folder)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.2)  # nobody comes
        return folder

    monkeypatch.setattr(models, "load", load)
    models._loaded.cache_clear()
    threads = [threading.Thread(target=models.loaded_model, args=("m",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    models._loaded.cache_clear()
    assert loads == ["m"]
