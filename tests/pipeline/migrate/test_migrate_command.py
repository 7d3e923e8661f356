"""`tokenline migrate` on files: what it prints, what it writes, what it refuses."""

import os
import pathlib
import subprocess
import sys

import pytest

from pipeline.__main__ import main

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
OLD = '''"""A model."""
import tensorflow.compat.v1 as tf
from tensorflow.contrib import legacy_seq2seq  # lists


def cost(steps, ids, ws):
    total = tf.contrib.seq2seq.sequence_loss(  # ünïcode
        steps,
            ids,  # odd indentation stays
        weights=ws)
    each = legacy_seq2seq.sequence_loss_by_example(steps, ids, ws)
    return total, each, tf.contrib.seq2seq.sequence_loss(steps, ids, None)
'''
NEW = (
    OLD.replace("  # lists\n", "  # lists\nfrom components.sequence_loss import compat\n")
    .replace("tf.contrib.seq2seq.sequence_loss(  #", "compat.contrib_sequence_loss(  #")
    .replace("legacy_seq2seq.sequence_loss_by", "compat.legacy_sequence_loss_by")
)


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_written_without_write(folder, capsys) -> None:
    (folder / "a.py").write_text(OLD)
    assert main(["migrate", "a.py"]) == 0
    assert (folder / "a.py").read_text() == OLD
    printed = capsys.readouterr().out
    assert "a.py:7:13  tf.contrib.seq2seq.sequence_loss\n" in printed
    assert "  result scalar  sum(w*loss) / sum(w);" in printed
    assert "  same   compat.contrib_sequence_loss(steps, ids, weights=ws)  # TF 1.0 to" in printed
    assert "3 loss calls found; --write rewrites 2 and leaves 1 alone" in printed


def test_diff_shows_what_write_would_change(folder, capsys) -> None:
    (folder / "a.py").write_text(OLD)
    assert main(["migrate", "--diff", "a.py"]) == 0
    printed = capsys.readouterr().out
    assert "+from components.sequence_loss import compat\n" in printed
    assert "-    each = legacy_seq2seq.sequence_loss_by_example(steps, ids, ws)\n" in printed
    assert (folder / "a.py").read_text() == OLD


def test_write_rewrites_what_is_certain_once(folder, capsys) -> None:
    """Comments and layout stay; a second run changes nothing."""
    path = folder / "a.py"
    path.write_text(OLD)
    path.chmod(0o640)
    assert main(["migrate", "--write", "a.py"]) == 0
    printed = capsys.readouterr().out
    assert path.read_text() == NEW
    assert path.stat().st_mode & 0o777 == 0o640
    assert "3 loss calls found, 2 rewritten, 1 left alone" in printed
    assert "a.py:12: left alone: weights=None: AttributeError in the original" in printed
    stale = "a.py:3: `from tensorflow.contrib import legacy_seq2seq` fails in TF 2"
    assert stale in printed
    assert main(["migrate", "--write", "a.py"]) == 0
    assert path.read_text() == NEW
    assert "1 loss call found, 0 rewritten, 1 left alone" in capsys.readouterr().out
    assert [each.name for each in folder.iterdir()] == ["a.py"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Windows line ends
        (OLD.replace("\n", "\r\n").encode(), NEW.replace("\n", "\r\n").encode()),
        # a byte order mark
        (b"\xef\xbb\xbf" + OLD.encode(), b"\xef\xbb\xbf" + NEW.encode()),
        # another encoding
        (
            ("# coding: latin-1\n" + OLD).encode("latin-1"),
            ("# coding: latin-1\n" + NEW).encode("latin-1"),
        ),
    ],
)
def test_bytes_that_are_not_ours_stay(folder, before: bytes, after: bytes) -> None:
    (folder / "a.py").write_bytes(before)
    assert main(["migrate", "--write", "a.py"]) == 0
    assert (folder / "a.py").read_bytes() == after


TF = "import tensorflow as tf\n"
CALL = "loss = tf.contrib.seq2seq.sequence_loss(x, y, w)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # names that are taken
        (
            TF + "def f(compat):\n    return " + CALL[7:],
            TF + "from components.sequence_loss import compat as tokenline_compat\n"
            "def f(compat):\n    return tokenline_compat.contrib_sequence_loss(x, y, w)\n",
        ),
        # an import that is there
        (
            "from components.sequence_loss import compat as c\n" + TF + CALL,
            "from components.sequence_loss import compat as c\n"
            + TF
            + "loss = c.contrib_sequence_loss(x, y, w)\n",
        ),
        # no import to go after
        (
            "# header\ndef f():\n    import tensorflow as tf\n    return " + CALL[7:],
            "# header\nfrom components.sequence_loss import compat\n"
            "def f():\n    import tensorflow as tf\n"
            "    return compat.contrib_sequence_loss(x, y, w)\n",
        ),
        # two statements in the line of the import
        (
            "import tensorflow as tf; " + CALL,
            "from components.sequence_loss import compat\n"
            "import tensorflow as tf; loss = compat.contrib_sequence_loss(x, y, w)\n",
        ),
        # a name bound once, called twice; no line end at the end
        (
            TF + "f = tf.contrib.seq2seq.sequence_loss\nf(x, y, w)\nf(y, z, w)",
            TF + "from components.sequence_loss import compat\n"
            "f = compat.contrib_sequence_loss\nf(x, y, w)\nf(y, z, w)",
        ),
        # a class
        (
            "import tensorflow_addons as tfa\nloss = tfa.seq2seq.SequenceLoss(name='l')\n",
            "import tensorflow_addons as tfa\nfrom components.sequence_loss import SequenceLoss\n"
            "loss = SequenceLoss(reduction=\"nonzero_mean\", name='l')\n",
        ),
        # a name that never existed, with tensors
        (
            TF
            + "each = tf.contrib.seq2seq.sequence_loss_by_example(logits=x, targets=y, weights=w)\n",
            TF + "from components.sequence_loss import sequence_loss_by_example\n"
            "each = sequence_loss_by_example(logits=x, targets=y, weights=w)\n",
        ),
    ],
)
def test_the_import_and_the_names(folder, before: str, after: str) -> None:
    (folder / "a.py").write_text(before)
    for _ in range(2):
        assert main(["migrate", "--write", "a.py"]) == 0
        assert (folder / "a.py").read_text() == after


def test_markdown_is_read_and_never_written(folder, capsys) -> None:
    text = f"# A page\n\n1. first\n\n   ```python\n   {TF}   {CALL}   ```\n\n```\n{CALL}```\n"
    (folder / "page.md").write_text(text)
    assert main(["migrate", "--write", "."]) == 0
    printed = capsys.readouterr().out
    assert "./page.md:7:11  tf.contrib.seq2seq.sequence_loss\n" in printed
    assert "./page.md:7: left alone: Markdown is not rewritten" in printed
    assert "1 loss call found" in printed
    assert (folder / "page.md").read_text() == text


def test_bad_files_are_a_line_each_and_the_others_are_read(folder, capsys) -> None:
    (folder / "a_python2.py").write_text("import os\nprint 'loss'\n")
    (folder / "b_broken.py").write_text("def f(:\n")
    (folder / "c_bytes.py").write_bytes(b"x = '\xff\xfe'\n")
    (folder / "d_null.py").write_bytes(b"x = 1\x00\n")
    (folder / "e_coding.py").write_text("# coding: klingon\n")
    (folder / "f_deep.py").write_text("x = " + "(" * 5000 + "seq2seq" + ")" * 5000)
    (folder / "g_good.py").write_text(TF + CALL)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "hidden.py").write_text("def f(:\n")
    (folder / "page.md").write_text("text\n```python\nx = (\n```\n")
    (folder / "data.csv").write_text("1,2\n")
    assert main(["migrate", ".", "absent.py", "data.csv"]) == 2
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert "1 loss call found" in captured.out
    starts = [
        "absent.py: no such file or folder",
        "data.csv: got another kind of file, expected .py, .md or a folder",
        "./c_bytes.py: cannot be read: ",
        "./e_coding.py: cannot be read: ",
        "./a_python2.py:2:1: not Python 3: Missing parentheses in call to 'print'",
        "./b_broken.py:1:7: not Python 3: ",
        "./d_null.py:1",
        "./f_deep.py:1",
        "./page.md:3:",
    ]
    assert len(errors) == len(starts)
    for start in starts:
        assert sum(line.startswith(f"tokenline: {start}") for line in errors) == 1, (start, errors)


def test_nothing_found_says_how_much_was_read(folder, capsys) -> None:
    (folder / "a.py").write_text("x = 1\n")
    (folder / "b.py").write_text("y = 'sequence_loss'\n")
    assert main(["migrate", ".", "a.py"]) == 0
    assert capsys.readouterr().out == "2 files read, no sequence loss found\n"


def test_the_order_is_that_of_paths_and_lines(folder, capsys) -> None:
    (folder / "sub").mkdir()
    for name in ("z.py", "b.py", "sub/a.py"):
        (folder / name).write_text(TF + CALL + CALL)
    assert main(["migrate", "z.py", "."]) == 0
    places = [
        line.split("  ")[0] for line in capsys.readouterr().out.splitlines() if ".py:" in line
    ]
    names = ("z.py", "./b.py", "./sub/a.py")
    assert places == [f"{name}:{line}:8" for name in names for line in (2, 3)]


def test_what_is_said_of_a_keras_loss_is_said_once(folder, capsys) -> None:
    text = "model.compile(loss='categorical_crossentropy')\n"
    (folder / "a.py").write_text(text)
    (folder / "b.py").write_text("\n" + text + text.replace("cat", "sparse_cat"))
    assert main(["migrate", "."]) == 0
    printed = capsys.readouterr().out
    assert printed.count("(B*T)") == 1
    name = "keras.losses.categorical_crossentropy, in compile"
    assert f"./b.py:2:20  {name}\n  as in  ./a.py:1:20\n" in printed
    assert "./b.py:3:20  keras.losses.sparse_" in printed
    assert "3 loss calls found" in printed


def test_help_loads_no_libcst() -> None:
    code = "import sys, pipeline.__main__ as m\ntry: m.main(['migrate', '--help'])\n"
    code += "except SystemExit: pass\nassert 'libcst' not in sys.modules, 'loaded'"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True)


def test_the_command_loads_no_tensorflow(folder) -> None:
    (folder / "a.py").write_text(TF + CALL)
    code = "import sys\nfrom pipeline.__main__ import main\nassert main(['migrate', sys.argv[1]]) == 0\n"
    code += "assert 'tensorflow' not in sys.modules"
    command = [sys.executable, "-c", code, str(folder / "a.py")]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)


def test_only_regular_files_are_opened(folder, capsys) -> None:
    """A pipe has no end until somebody writes to it."""
    os.mkfifo(folder / "x.py")
    (folder / "a.py").write_text("x = 1\n")
    for path in (".", "x.py"):
        assert main(["migrate", path]) == 2
        captured = capsys.readouterr()
        assert "x.py: cannot be read: got a pipe, socket or device, expected a reg" in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out.startswith({".": "1 file ", "x.py": "0 files "}[path])


def test_a_folder_that_cannot_be_read_is_an_error(folder, capsys, monkeypatch) -> None:
    (folder / "locked").mkdir()
    (folder / "a.py").write_text("x = 1\n")
    real = os.scandir

    def scandir(path):  # root may read everything: a mode of 0 would not do
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["migrate", "."]) == 2
    captured = capsys.readouterr()
    assert captured.out == "1 file read, no sequence loss found\n"
    assert captured.err == "tokenline: ./locked: cannot be read: Permission denied\n"


def test_files_that_are_not_python_are_not_counted_as_read(folder, capsys) -> None:
    (folder / "old.py").write_text("print 1\n")
    (folder / "a.py").write_bytes(b"\xff")
    assert main(["migrate", "."]) == 2
    assert capsys.readouterr().out == "0 files read, no sequence loss found\n"
