"""What a run reads, settled before anything heavy is imported: spans, files, their fingerprint."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components import storage
from components.errors import InputChanged, InputError
from components.example_gen import files
from components.example_gen.preflight import preflight
from components.example_gen.request import IngestRequest, parse_request
from pipeline import sample_data
from pipeline.config import Config
from pipeline.retrain import staging
from pipeline.settings import token_settings
from transform.settings import ID_LIST, TOKEN_LIST, Settings, Side


@dataclass(frozen=True)
class RunInputs:
    """What a run reads.

    Attributes:
      spans: none without {SPAN} in the path.
      example_gen: ExampleGen's parameters for them.
      learns: whether ExampleGen cuts text into pieces that no file of the user's gives.
      new: which of the spans no run has been trained on before; () where nobody keeps account.
    """

    spans: tuple[int, ...]
    example_gen: dict[str, Any]
    learns: bool = False
    new: tuple[int, ...] = ()

    @property
    def what_is_read(self) -> dict[str, Any]:
        """SpanWindow's parameters."""
        return {name: self.example_gen[name] for name in ("input_base", *_OF_THE_WINDOW)}

    @property
    def how_it_is_read(self) -> dict[str, Any]:
        """ExampleGen's parameters beside the window."""
        found = self.example_gen.items()
        return {name: value for name, value in found if name not in _OF_THE_WINDOW}

    @property
    def split(self) -> str:
        """How the rows are split, as JSON."""
        found = {name: json.loads(self.example_gen[name]) for name in ("split", "split_by")}
        return json.dumps(found)


_OF_THE_WINDOW = ("spans", "fingerprint")


def resolve(
    config: Config, *, spans: Mapping[int, str] | None = None, new: Sequence[int] = ()
) -> RunInputs:
    """Find the input files and look at their first rows; write sample data if there are none yet.

    Args:
      config: the user's file.
      spans: what to read instead of what the configuration says: number to content, see
        `files.fingerprint`; "" for any.
      new: see `RunInputs`.

    Raises:
      InputChanged: one of `spans` is gone, or has another content.
      InputError: a span, file or column is not there, or a row near the start of a file is bad.
    """
    if spans is None:
        generate_first_span(config)
    wanted, input_base = _wanted_spans(config, spans)
    parameters = example_gen_parameters(config, wanted, input_base)
    request = parse_request(parameters)
    digest = _digest_as_wanted(config, request, spans) if spans else ""
    listing = preflight(request)
    parameters["fingerprint"] = digest or files.fingerprint(listing.files)
    learns = request.sequences.learning is not None
    return RunInputs(wanted, parameters, learns=learns, new=tuple(sorted(new)))


def _digest_as_wanted(config: Config, request: IngestRequest, spans: Mapping[int, str]) -> str:
    """The fingerprint of all files; before a row is looked at, which may be bad in another content."""
    listing = files.input_files(
        request.input_base, request.spans, request.format, split=request.split
    )
    digest, contents = files.fingerprints(listing.files)
    for span, content in spans.items():
        if content and content != contents[span]:
            raise InputChanged(f"{config.data.path}: span {span} is another one by now; run again")
    return digest


def generate_first_span(config: Config) -> None:
    """Write span 1 of the sample data, where that is wanted and no span is there."""
    generator = config.data.generator
    if generator is None:
        return
    folder = config.data.path.replace(files.SPAN, "1")
    # What holds the span folders; where it is not there yet, no span can be.
    parent = os.path.dirname(config.data.path[: config.data.path.index(files.SPAN)]) or "."
    if not os.path.isdir(parent) or not files.list_spans(config.data.path):
        sample_data.write_span(folder, 1, rows=generator.rows, seed=generator.seed)


def _wanted_spans(config: Config, spans: Mapping[int, str] | None) -> tuple[tuple[int, ...], str]:
    """The spans to read, none where the path has no {SPAN}, and where on this machine they are."""
    path = config.data.path
    if storage.is_remote(path):
        here = spans is not None and staging.are_here(config, spans)
        there = {} if here else {seen.span: seen for seen in staging.look(path)}
        wanted = dict.fromkeys(_chosen(config, list(there)), "") if spans is None else spans
        input_base = staging.input_base(config, wanted, there)
        return (tuple(sorted(wanted)) if files.SPAN in path else ()), input_base
    # Absolute: where a command is called from must not change what is cached.
    if files.SPAN not in path:
        return (), os.path.abspath(path)
    found = files.list_spans(path)
    wanted = dict.fromkeys(_chosen(config, found), "") if spans is None else spans
    gone = sorted(set(spans or ()) - set(found))
    if gone:
        raise InputChanged(f"{path}: span {gone[0]} is not there any more; run again")
    return tuple(sorted(wanted)), staging.local_input_base(config, wanted)


def _chosen(config: Config, found: list[int]) -> tuple[int, ...]:
    """The spans that the configuration asks for, of those that are there."""
    if not found:
        raise InputError(f"{config.data.path}: no span there, expected at least one folder")
    if files.SPAN not in config.data.path or config.data.spans == "all":
        return tuple(found)
    return (found[-1],) if config.data.spans == "latest" else tuple(config.data.spans)


def example_gen_parameters(
    config: Config, spans: tuple[int, ...], input_base: str
) -> dict[str, Any]:
    """ExampleGen's parameters, without the fingerprint; no folder is looked at."""
    data = config.data
    return {
        "input_base": input_base,
        "spans": json.dumps(list(spans)),
        "format": data.format,
        "columns": json.dumps(_column_kinds(config)),
        "aligned": json.dumps(_aligned(config)),
        "split": json.dumps(data.split),
        "split_by": json.dumps(list(data.split_by)),
        "delimiter": data.delimiter,
        "max_bad_rows": data.max_bad_rows,
        "sequences": _sequences(config),
    }


def _sequences(config: Config) -> str:
    """What ExampleGen does to sequences, as JSON; "" where nothing."""
    policy = config.data.excess_length if config.data.excess_length in ("drop", "window") else ""
    span_column = "span_age" in config.transform.weights or "span" in config.eval.slices
    if not policy:
        return json.dumps({"span_column": True}) if span_column else ""
    settings = _what_tokens_are(token_settings(config))
    sequences = {
        "policy": policy,
        "settings": settings.to_json(),
        "span_column": span_column,
        # So that another file under the same name is another input; but for one that is elsewhere.
        "subword_files": [
            files.content_digest(side.subwords).hex()
            for side in settings.sides.values()
            if side.subwords and not storage.is_remote(side.subwords)
        ],
    }
    if settings.unlearned:
        sequences["vocab_size"] = config.data.vocab_size
    if policy == "window":
        sequences["window"] = dataclasses.asdict(config.data.window)
    return json.dumps(sequences, sort_keys=True)


def _what_tokens_are(settings: Settings) -> Settings:
    """The settings without what else decides ids and weights: that must not read the input again."""
    source = settings.source
    found = Settings(settings.task, _absolute(settings.target), source and _absolute(source))
    if settings.excess_length == "window":  # which cuts weights too
        found = dataclasses.replace(found, token_weights=settings.token_weights)
    if not settings.unlearned:
        return found
    return dataclasses.replace(  # what pieces are learned with
        found,
        special=settings.special,
        oov_buckets=settings.oov_buckets,
        share_vocabulary=settings.share_vocabulary,
        regions=settings.regions,
    )


def _absolute(side: Side) -> Side:
    if not side.subwords or storage.is_remote(side.subwords):
        return side
    return dataclasses.replace(side, subwords=os.path.abspath(side.subwords))


def _column_kinds(config: Config) -> dict[str, str]:
    """Column name to what ExampleGen expects in it."""
    source_kind = _kind(config.transform.source_tokenizer)
    target_kind = _kind(config.transform.target_tokenizer)
    kinds = {
        "text": target_kind,
        "source": source_kind,
        "target": target_kind,
        "tokens": source_kind,
        "tags": target_kind,
        "weights": "weight_list",
        "example_weight": "weight",
    }
    roles = {column: kinds[role] for role, column in config.data.columns.items()}
    return roles | dict(config.data.extra_columns)


def _kind(tokenizer: str) -> str:
    if tokenizer == ID_LIST:
        return "id_list"
    return "text_list" if tokenizer == TOKEN_LIST else "text"


def _aligned(config: Config) -> list[list[str]]:
    """Columns whose lists must be equally long: a row's tokens, tags and token weights."""
    columns = config.data.columns
    roles = ["tokens", "tags"] if config.task == "tagging" else []
    if config.transform.target_tokenizer in (TOKEN_LIST, ID_LIST) and "weights" in columns:
        roles = [*(roles or ["target" if config.task == "seq2seq" else "text"]), "weights"]
    return [[columns[role] for role in roles]] if roles else []
