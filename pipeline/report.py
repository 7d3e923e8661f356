"""One run as one HTML page: verdict, metrics, curve, durations, ledger, data, configuration.

The page holds everything itself: no script, no font, no image, no request. Whatever a run did not
record is left out.
"""

import contextlib
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.report_chart import gradient_norm_curve, learning_rate_curve, training_curve
from pipeline.report_html import (
    NOTHING,
    Html,
    count,
    element,
    is_finite,
    join,
    percent,
    row,
    seconds,
    size,
    table,
)
from pipeline.report_ledger import ledger_tables
from pipeline.report_metrics import metric_table, metric_tiles
from pipeline.report_style import STYLE
from pipeline.report_time import first_step, phases
from pipeline.report_tuning import tuning_table

Json = Mapping[str, Any]

_FILES_SHOWN = 50
_SKIPPED_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a run left behind, as plain dicts and lists; every part may be missing.

    Attributes:
      name: the pipeline's name.
      subtitle: run id, time, task, or whatever else tells this run from others.
      verdict: the Evaluator's verdict.json.
      metrics: the Evaluator's metrics.json.
      history: points {"step", "train_loss", "validation_loss", "useful_tokens_per_second"}.
      start: what training started from, one line.
      tuning: {"values", "trials"} of the search before training.
      updates: of `curves.thinned`.
      skipped: bad batches, {"step", "reason", "rows", "first"} each.
      time: the trainer's "goodput", "first_step", "resumes", and whether it is "cached".
      ledger: VocabularyGen's ledger.json.
      ingest: ExampleGen's report.json.
      durations: {"component", "seconds", "state"} each, in the order they ran.
      config: the configuration as nested dicts.
      places: what -> where, e.g. {"model": "runs/serving/3"}.
    """

    name: str
    subtitle: str = ""
    verdict: Json = field(default_factory=dict)
    metrics: Json = field(default_factory=dict)
    history: Sequence[Json] = ()
    start: str = ""
    tuning: Json = field(default_factory=dict)
    updates: Sequence[Json] = ()
    skipped: Sequence[Json] = ()
    time: Json = field(default_factory=dict)
    ledger: Json = field(default_factory=dict)
    ingest: Json = field(default_factory=dict)
    durations: Sequence[Json] = ()
    config: Json = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


def write_report(data: ReportData, path: str | os.PathLike[str]) -> None:
    """Writes the page; it appears complete, by one rename. The same data give the same bytes."""
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        # Lone surrogates (bytes of a row that are not UTF-8) have no place in a UTF-8 page.
        with open(
            temporary, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        ) as file:
            file.write(page(data))
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


def page(data: ReportData) -> str:
    """The page's HTML."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", f"{data.name} – tokenline report"),
        element("style", Html(STYLE)),
    )
    body = element(
        "body",
        element("header", element("h1", data.name), element("p", data.subtitle, class_="soft")),
        _verdict(data.verdict),
        metric_tiles(data.metrics),
        _section("Metrics", metric_table(data.metrics)),
        _section(
            "Training",
            join(_training(data.history, data.start), _updates(data), _skipped(data.skipped)),
        ),
        _section("Tuning", tuning_table(data.tuning)),
        _section("Components", _durations(data.durations)),
        _section("Where the time went", _time(data.time)),
        _section("Token ledger", ledger_tables(data.ledger)),
        _section("Data", _data(data.ingest)),
        _section("Places", _pairs(data.places)),
        _section("Configuration", _config(data.config)),
        element("footer", "Loss = Σ w·ℓ / Σ w over the tokens with weight w > 0, in nats."),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _section(title: str, content: Html) -> Html:
    return element("section", element("h2", title), content) if content else Html("")


def _verdict(verdict: Json) -> Html:
    if "blessed" not in verdict:
        text = element("strong", "No verdict")
        return element(
            "div", text, element("p", "The run ended before evaluation."), class_="verdict"
        )
    blessed = bool(verdict["blessed"])
    return element(
        "div",
        element("strong", "Blessed" if blessed else "Not blessed"),
        _list(verdict.get("reasons", ())),
        element("p", " · ".join(verdict.get("notes", ())), class_="soft"),
        class_="verdict good" if blessed else "verdict bad",
    )


def _training(history: Sequence[Json], start: str) -> Html:
    curve = training_curve(history)
    if curve and start:
        curve = join(curve, element("p", start, class_="soft"))
    given = [point.get("useful_tokens_per_second") for point in history]
    speeds = [speed for speed in given if is_finite(speed)]
    if not curve or not speeds:
        return curve
    text = f"{count(history[-1].get('step'))} steps, {count(round(statistics.median(speeds)))} "
    return join(curve, element("p", f"{text}useful tokens per second (median)", class_="soft"))


def _updates(data: ReportData) -> Html:
    """What tells an unstable or badly scheduled training from a good one; folded away."""
    curves = join(gradient_norm_curve(data.updates), learning_rate_curve(data.updates))
    if not curves:
        return Html("")
    limit = (data.config.get("train") or {}).get("clip_norm")
    norms = [update["clipped"] for update in data.updates if is_finite(update.get("clipped"))]
    clipped = ""
    if norms and is_finite(limit) and limit:
        share = percent(sum(norms) / sum(update["updates"] for update in data.updates))
        clipped = element("p", f"{share} of the updates were clipped to {limit:g}.", class_="soft")
    named = element("summary", "Gradient norm and learning rate")
    return element("details", named, curves, clipped)


def _skipped(batches: Sequence[Json]) -> Html:
    if not batches:
        return Html("")
    shown = [
        f"step {count(batch.get('step'))}: {batch.get('reason', '')}; {count(batch.get('rows'))} rows: "
        + ", ".join(map(str, batch.get("first", ())))
        for batch in batches[:_SKIPPED_SHOWN]
    ]
    more = len(batches) - len(shown)
    return join(
        element("p", f"Bad batches skipped: {len(batches):,}", class_="warning"),
        _list([*shown, *([f"… and {more:,} more in history.json"] if more else [])]),
    )


def _time(time: Json) -> Html:
    table = phases(time.get("goodput") or {})
    if not table:
        return Html("")
    notes = [
        first_step(time.get("first_step") or {}),
        "Measured in the run that trained the model; this one took it from the cache."
        if time.get("cached")
        else "",
        f"Interrupted and continued: {count(time.get('resumes'))}." if time.get("resumes") else "",
    ]
    shown = [element("p", note, class_="soft") for note in notes if note]
    return join(table, shown)


def _durations(durations: Sequence[Json]) -> Html:
    if not durations:
        return Html("")
    times = [item["seconds"] if is_finite(item.get("seconds")) else 0.0 for item in durations]
    longest = max(times) or 1.0
    rows = []
    for item, time in zip(durations, times, strict=True):
        bar = element("span", class_="bar", style=f"width:{100 * time / longest:.1f}%")
        cells = [element("td", bar, class_="barcell"), element("td", str(item.get("state") or ""))]
        took = element("td", seconds(item.get("seconds")), class_="number")
        name = element("th", str(item.get("component", "")), scope="row")
        rows.append(element("tr", name, cells, took))
    total = row(["total", "", "", seconds(sum(times))], text_columns=3)
    return table(["component", "", "", "time"], [*rows, total], text_columns=3)


def _data(ingest: Json) -> Html:
    if not ingest:
        return Html("")
    facts = {
        "rows": count(ingest.get("rows")),
        "bad rows left out": count(ingest.get("bad_rows")),
        "splits": _counts(ingest.get("splits")),
        "spans": _counts(ingest.get("spans")),
        "columns not used": _counts(ingest.get("unconfigured_columns")),
        "files not read": ", ".join(map(str, ingest.get("unread_files", ()))),
    }
    files = ingest.get("files", ())
    heads = ["file", "span", "rows", "bad", "size"]
    rows = [
        row(
            [
                element("code", str(file.get("path", ""))),
                *(count(file.get(name)) for name in ("span", "rows", "bad")),
                size(file.get("bytes")),
            ]
        )
        for file in files[:_FILES_SHOWN]
    ]
    left = len(files) - len(rows)
    return join(
        _pairs({name: text for name, text in facts.items() if text not in ("", NOTHING)}),
        table(heads, rows) if rows else "",
        element("p", f"… and {left} more files", class_="soft") if left else "",
        _list(ingest.get("first_bad_rows", ())),
    )


def _config(config: Json) -> Html:
    if not config:
        return Html("")
    flat = {key: _shown(value) for key, value in _flatten(config, "")}
    return element("details", element("summary", f"{len(flat)} settings"), _pairs(flat))


def _flatten(values: Json, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_shown(v)}" for k, v in value.items() if v is not None) or NOTHING
    if isinstance(value, list | tuple):
        return "; ".join(map(_shown, value)) or NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    return NOTHING if value is None else str(value)


def _pairs(pairs: Mapping[str, str]) -> Html:
    rows = [row([name, text], text_columns=2) for name, text in pairs.items()]
    body = element("table", element("tbody", rows), class_="pairs")
    return element("div", body, class_="wide") if rows else Html("")


def _counts(values: Json | None) -> str:
    return ", ".join(f"{name}: {count(value)}" for name, value in (values or {}).items())


def _list(items: Sequence[Any]) -> Html:
    lines = [element("li", str(item)) for item in items]
    return element("ul", lines) if lines else Html("")
