"""What the ledger's counts are shares of. Without TensorFlow: the terminal's summary uses it too."""

from collections.abc import Mapping


def cut_tokens(row: Mapping[str, int]) -> int:
    """The tokens of a ledger's row that were cut, each of a text once: what is unknown is one of them.

    Neither eos and bos, nor what was dropped, nor a window's context, which the one before has counted.
    """
    return row["kept"] + row["truncated"] - row["eos_and_bos"] - row.get("context", 0)
