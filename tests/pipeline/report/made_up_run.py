"""A made-up run in which every part of the report has something to show; all by plain arithmetic."""

import math
from typing import Any

from pipeline.report import ReportData

WORDS = ["das", "haus", "ist", "klein", "aber", "der", "garten", "davor", "reicht", "bis", "an"]


def values(loss: float, tokens: float) -> dict[str, float]:
    accuracy = math.exp(-0.7 * loss)
    return {
        "masked_token_loss": loss,
        "perplexity": math.exp(loss),
        "bits_per_byte": 0.27 * loss,
        "loss_per_word": 1.31 * loss,
        "token_accuracy": accuracy,
        "sequence_accuracy": accuracy**9,
        "calibration": 0.021,
        "token_count": tokens,
        "example_count": float(round(tokens / 9)),
    }


def measured(
    column: str, value: str | int, loss: float, before: float, tokens: float, **changes: Any
) -> dict[str, Any]:
    """A slice whose intervals are as wide as its tokens let expect."""
    ours, theirs = values(loss, tokens), values(before, tokens)
    width = 1.9 / math.sqrt(tokens)
    compared = ("masked_token_loss", "bits_per_byte", "token_accuracy")
    diff = {name: ours[name] - theirs[name] for name in compared}
    scales = {name: 0.27 if name == "bits_per_byte" else 1.0 for name in compared}

    def around(given: dict[str, float], width: float) -> dict[str, list[float]]:
        ends = {name: width * scales[name] for name in compared}
        return {name: [given[name] - ends[name], given[name] + ends[name]] for name in compared}

    whole = {
        "slice": f"{column}={value}" if column else "overall",
        "column": column,
        "value": value,
        "gated": tokens >= 1000,
        "too_small": "" if tokens >= 1000 else f"it has {tokens:,.0f} tokens, and 1,000 are needed",
        "candidate": ours,
        "baseline": theirs,
        "diff": diff,
        "intervals": {
            "candidate": around(ours, width),
            "baseline": around(theirs, width),
            "diff": around(diff, 0.4 * width),
        },
        "absent": {"candidate": {}, "baseline": {}, "diff": {}},
    }
    return whole | changes


def slices() -> list[dict[str, Any]]:
    found = [measured("", "", 1.412, 1.467, 184_220)]
    sources = {"news": (1.39, 1.46, 92_110), "forum": (1.62, 1.60, 41_003)}
    sources |= {"subtitles": (1.21, 1.31, 50_407), "law": (1.95, 1.71, 700)}
    found += [measured("source_kind", name, *row) for name, row in sources.items()]
    found += [measured("span", 1, 1.45, 1.44, 88_100), measured("span", 2, 1.37, 1.49, 96_120)]
    lengths = {"5-8": 1.55, "9-16": 1.44, "17-32": 1.38, "33-64": 1.42}
    for index, (name, loss) in enumerate(lengths.items()):
        found.append(measured("target_length", name, loss, loss + 0.05, 12_000.0 + 9_000 * index))
    positions = ["1-4", "5-8", "9-16", "17-32", "33-64", "65-128"]
    for index, name in enumerate(positions):
        loss = 1.2 + 1.1 / (1 + index)
        found.append(measured("token_position", name, loss, loss + 0.06, 60_000 / 2.4**index))
    frequencies = {"1-9": 4.1, "10-99": 2.7, "100-999": 1.6, "1,000+": 0.9}
    for index, (name, loss) in enumerate(frequencies.items()):
        found.append(measured("token_frequency", name, loss, loss + 0.08, 1_500.0 * 4**index))
    found += [measured("token_unknown", "known", 1.40, 1.45, 183_000)]
    found += [measured("token_unknown", "unknown", 4.9, 5.0, 1_220)]
    for item in found:
        if item["column"].startswith("token_"):
            reason = "not measured on parts of a sequence"
            for name in ("sequence_accuracy", "loss_per_word"):
                item["candidate"].pop(name)
                item["absent"]["candidate"][name] = reason
    return found


def findings(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in given:
        low, high = item["intervals"]["diff"]["bits_per_byte"]
        passed = high <= 0.02 or not item["gated"]
        found.append(
            {
                "slice": item["slice"],
                "metric": "bits_per_byte",
                "kind": "max_increase",
                "value": item["diff"]["bits_per_byte"],
                "low": low,
                "high": high,
                "bound": 0.02,
                "passed": passed,
                "verdict": "not_worse" if item["gated"] else "slice_too_small",
                "text": "whatever",
            }
        )
    return found


def history(points: int = 44) -> list[dict[str, Any]]:
    return [
        {
            "step": 100 * index,
            "train_loss": 1.2 + 6.4 * math.exp(-index / 7) + 0.05 * math.sin(9.0 * index),
            "validation_loss": 1.39 + 6.1 * math.exp(-index / 7) if index % 4 == 0 else None,
            "useful_tokens_per_second": 51_234.0,
        }
        for index in range(1, points + 1)
    ]


def updates() -> list[dict[str, Any]]:
    return [
        {
            "step": 100 * index,
            "updates": 100,
            "gradient_norm": 0.4 + 2 * math.exp(-index / 5),
            "largest_norm": 0.9 + 7 * math.exp(-index / 5),
            "learning_rate": 1e-3 * math.cos(index / 29),
            "clipped": max(0, 40 - 4 * index),
        }
        for index in range(1, 45)
    ]


def lengths() -> dict[str, Any]:
    def bins(middle: float) -> list[list[int]]:
        heights = [int(4_000 * math.exp(-(((n - middle) / 11) ** 2))) for n in range(2, 61)]
        return [[n, n, height] for n, height in zip(range(2, 61), heights, strict=True)]

    shapes = [(9, 10), (16, 15), (24, 27), (37, 36), (60, 60)]
    return {
        "sides": [{"name": "target", "bins": bins(17)}, {"name": "source", "bins": bins(21)}],
        "buckets": [
            {"shape": list(shape), "rows": 64, "examples": 9_000 - 1_500 * i, "padding_share": 0.03}
            for i, shape in enumerate(shapes)
        ],
        "padding_share": 0.0312,
        "one_length_padding_share": 0.648,
        "packed": False,
    }


LEDGER: dict[str, Any] = {
    "splits": {
        "train": {
            "target": {
                "sequences": 5000,
                "tokens_read": 100000,
                "kept": 98700,
                "truncated": 1000,
                "dropped": 300,
                "trained": 98000,
                "zero_weight": 700,
                "context": 0,
                "out_of_vocabulary": 12,
                "eos_and_bos": 5000,
                "dropped_by": {"too_long": 300},
            }
        },
        "eval": {"target": {"tokens_read": 10000, "trained": 10000, "truncated": 0}},
    },
    "spans": {
        "train": {
            "9": {"target": {"tokens_read": 40000}},
            "10": {"target": {"tokens_read": 60000}},
        },
        "eval": {"10": {"target": {"tokens_read": 10000}}},
    },
    "weights": {
        "train": {"sum": 123456.0, "mean": 1.26, "factors": {"token": 1.25, "example": 1.0}}
    },
    "checks": {
        "duplicates": {"eval": {"rows": 1500, "in_train": 12}, "test": {"rows": 9, "in_train": 0}}
    },
}

INGEST: dict[str, Any] = {
    "rows": 20000,
    "bad_rows": 1,
    "splits": {"train": 18000, "eval": 2000},
    "spans": {"1": 20000},
    "unread_files": ["README"],
    "unconfigured_columns": {"xpos": 20000},
    "first_bad_rows": ["data/span-1/pairs.jsonl:7: column 'source': got an empty string"],
    "files": [
        {"path": "data/span-1/pairs.jsonl", "span": 1, "rows": 20000, "bad": 1, "bytes": 1_900_000}
    ],
}


def samples() -> dict[str, Any]:
    found = []
    for number in range(4):
        tokens = [*(WORDS[number:] + WORDS[:number])[: 9 + number], "<eos>"]
        losses = [
            0.02 + 3.1 * abs(math.sin(1.7 * i * (number + 1))) ** 5 for i in range(len(tokens))
        ]
        found.append(
            {
                "key": f"data/span-2/pairs.jsonl:{17 + 400 * number}",
                "source": "the house is small but the garden before it reaches the river",
                "tokens": tokens,
                "losses": losses,
                "weights": [0.0 if i == 2 and number == 1 else 1.0 for i in range(len(tokens))],
                "generated": " ".join(tokens[:-1][:7]) if number != 3 else None,
            }
        )
    return {"samples": found}


WORST: dict[str, Any] = {
    "examples": [
        {
            "key": f"data/span-2/pairs.jsonl:{900 + 31 * i}",
            "loss": 6.1 - 0.4 * i,
            "loss_sum": 61.0 - 4 * i,
            "tokens": 10,
            "source": "A sentence that nobody would say is here.",
            "text": "Ein Satz, den niemand sagen würde, steht hier: "
            + "blaue Ideen schlafen " * (1 + i),
        }
        for i in range(5)
    ],
    "tokens": [
        {
            "token": word,
            "loss": 3.4 - 0.3 * i,
            "loss_sum": 912.5 - 90 * i,
            "weight": 300.0,
            "count": 300,
        }
        for i, word in enumerate(["fluss", "davor", "##keit", " ", "reicht"])
    ],
}

SERVING: dict[str, Any] = {
    "passed": True,
    "reasons": ["32 rows, 4 signatures"],
    "checks": [
        {"name": "clean_process", "passed": True, "text": "TensorFlow 2.20, none of our code"},
        {"name": "outputs", "passed": True, "text": "largest difference 3.1e-07, at most 1e-05"},
        {"name": "skew", "passed": True, "text": "32 rows: ids, lengths and weights are equal"},
    ],
    "latency_ms": {"1": {"median": 3.1, "p95": 4.4}, "8": {"median": 9.25, "p95": 12.5}},
    "memory_mb": 512.5,
}

TUNING: dict[str, Any] = {
    "values": {"learning_rate": 0.0125, "units": 24},
    "trials": [
        {
            "number": number,
            "values": {"learning_rate": rate, "units": 8 * number},
            "loss": loss,
            "reason": reason,
            "steps": 1200 if loss is not None else 0,
            "parameters": 34567 if loss is not None else 0,
            "seconds": 75.0 if loss is not None else 0.0,
        }
        for number, rate, loss, reason in [
            (1, 0.5, 2.25, ""),
            (2, 0.75, None, "<b>non-finite</b> loss"),
            (3, 0.0125, 1.5, ""),
        ]
    ],
}

_CHAIN = [
    ("ExampleGen", ["examples", "ingest_report"], [], True),
    ("StatisticsGen", ["statistics"], ["examples"], True),
    ("SchemaGen", ["schema"], ["statistics"], True),
    ("ExampleValidator", ["anomalies"], ["statistics", "schema"], True),
    ("VocabularyGen", ["vocabulary", "ledger"], ["examples"], True),
    ("Transform", ["transform_graph", "transformed_examples"], ["examples", "vocabulary"], False),
    ("SequenceTrainer", ["model", "history"], ["transformed_examples", "base_model"], False),
    ("SequenceEvaluator", ["blessing", "evaluation"], ["examples", "model"], False),
    ("ServingCheck", ["serving_blessing"], ["model"], False),
    ("Pusher", ["pushed_model"], ["model", "blessing"], False),
]


def lineage() -> list[dict[str, Any]]:
    start, found = 1_795_419_320_000, []
    ids: dict[str, int] = {"base_model": 9}
    for index, (name, wrote, read, cached) in enumerate(_CHAIN):
        for each in wrote:
            ids[each] = 20 + len(ids)
        found.append(
            {
                "name": name,
                "execution": 30 + index,
                "cached": cached,
                "run": "2026-11-22T09:10:11.123456" if cached else "",
                "started": start + 10_000 * index,
                "ended": start + 10_000 * index + 2_500,
                "inputs": [
                    {
                        "name": each,
                        "id": ids[each],
                        "run": "an-older-run" if each == "base_model" else "",
                    }
                    for each in read
                ],
                "outputs": [
                    {
                        "name": each,
                        "id": ids[each],
                        "type": each.title().replace("_", ""),
                        "uri": f"artifacts/{name}/{each}/{30 + index}",
                        "hash": f"{ids[each] * 7919**3:032x}"[::-1],
                        "link": f"../../artifacts/{name}/{each}/{30 + index}",
                    }
                    for each in wrote
                ],
            }
        )
    return found


def made_up_run() -> ReportData:
    measured_slices = slices()
    measured_slices[0]["candidate"]["bleu"] = 31.2
    measured_slices[0]["intervals"]["candidate"]["bleu"] = [30.1, 32.3]
    return ReportData(
        name="letters",
        subtitle="seq2seq · span 1, 2 · run 20261122-091011",
        verdict={
            "blessed": True,
            "verdict": "better",
            "reasons": ["bits_per_byte changed by at most −0.0131 at 95 %, margin 0.02"],
            "notes": ["1 slice with fewer than 1,000 tokens: not judged"],
            "baseline": True,
            "baseline_status": "used",
            "baseline_problem": "",
            "findings": findings(measured_slices),
        },
        metrics={
            "confidence": 0.95,
            "models": ["candidate", "baseline"],
            "slices": measured_slices,
        },
        worst=WORST,
        samples=samples(),
        decoded={
            "examples": 500,
            "problem": "",
            "signatures": {"bleu": "nrefs:1|tok:13a", "chrf": "nrefs:1|nc:6"},
        },
        serving=SERVING,
        history=history(),
        start="started from runs/letters/artifacts/SequenceTrainer/model/8: target 9,000 rows kept",
        tuning=TUNING,
        updates=updates(),
        skipped=[
            {"step": step, "reason": "it is bad", "rows": 32, "first": ["data/a.jsonl:7"]}
            for step in range(1, 13)
        ],
        lengths=lengths(),
        time={
            "goodput": {
                "import": 8.0,
                "step": 28.0,
                "data_wait": 0.02,
                "export": 3.92,
                "other": 0.06,
            },
            "first_step": {"import": 8.0, "tracing": 1.5, "data_wait": 0.25, "step": 0.25},
            "resumes": 2,
            "cached": True,
        },
        ledger=LEDGER,
        ingest=INGEST,
        durations=[
            {"component": "ExampleGen", "seconds": 1.5, "state": "cached"},
            {"component": "SequenceTrainer", "seconds": 75.0, "state": "done"},
        ],
        lineage=lineage(),
        config={
            "train": {"epochs": 10, "steps": None, "clip_norm": 1.0},
            "eval": {"slices": ["source_kind"]},
        },
        places={"model": "runs/serving/3", "log": "runs/letters/log.txt"},
        links={"model": "../../../serving/3"},
    )
