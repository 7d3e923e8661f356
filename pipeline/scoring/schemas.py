"""The columns of results in Parquet: the same names as in JSON lines."""

import pyarrow as pa

_TOKEN = pa.struct(
    [
        ("token", pa.string()),
        ("id", pa.int64()),
        ("loss", pa.float32()),
        ("weight", pa.float32()),
        ("correct", pa.bool_()),
        ("confidence", pa.float32()),
    ]
)


def scores(*, tokens: bool) -> pa.Schema:
    """Of `model_rows.scored`; sums are float32 as the model gives them, kept in float64."""
    columns = [
        ("key", pa.string()),
        ("loss_per_token", pa.float64()),
        ("loss_sum", pa.float64()),
        ("weight_sum", pa.float64()),
        ("tokens", pa.int64()),
        ("all_correct", pa.bool_()),
        ("truncated_tokens", pa.int64()),
    ]
    return pa.schema([*columns, *([("per_token", pa.list_(_TOKEN))] if tokens else [])])


def predictions(task: str) -> pa.Schema:
    """Of `model_rows.predicted`."""
    columns = [("key", pa.string()), ("input", pa.string()), ("output", pa.string())]
    if task == "tagging":
        columns += [("tags", pa.list_(pa.string())), ("confidence", pa.list_(pa.float32()))]
    else:
        columns += [
            ("log_probability", pa.float64()),
            ("log_probability_per_token", pa.float64()),
            ("tokens", pa.int64()),
        ]
    return pa.schema([*columns, ("truncated", pa.bool_())])
