"""The part of the configuration that decides tokens, ids and weights, as Transform takes it."""

from pipeline.config import Config
from transform.settings import Settings, Side, SpecialIds

_ROLES = {"lm": (None, "text"), "seq2seq": ("source", "target"), "tagging": ("tokens", "tags")}


def token_settings(config: Config, *, newest_span: int = 0) -> Settings:
    """`transform.settings.Settings` of a configuration; `newest_span` is what age counts from."""
    data, transform, columns = config.data, config.transform, config.data.columns
    source_role, target_role = _ROLES[config.task]
    by_age = "span_age" in transform.weights
    return Settings(
        task=config.task,
        source=_source(config, columns[source_role]) if source_role else None,
        target=Side(
            column=columns[target_role],
            tokenizer=transform.target_tokenizer,
            max_length=data.max_target_length,
            append_eos=transform.append_eos,
            prepend_bos=transform.prepend_bos,
            lowercase=transform.target_lowercase,
            normalize=_form(transform.target_normalize),
            pattern=transform.target_pattern,
            subwords=transform.target_subwords or "",
            truncate=data.truncate,
        ),
        special=SpecialIds(data.pad_id, data.unk_id, data.bos_id, data.eos_id),
        oov_buckets=data.oov_buckets,
        share_vocabulary=transform.share_vocabulary,
        input_chars=transform.input_chars,
        weights=transform.weights,
        token_weights=columns.get("weights"),
        example_weights=columns.get("example_weight"),
        regions=tuple(transform.regions.items()),
        region_before=transform.region_before,
        class_weights=tuple(transform.class_weights.items()),
        inverse_frequency_cap=transform.inverse_frequency_cap,
        span_half_life=transform.span_half_life or 1.0,
        newest_span=newest_span if by_age else 0,
        excess_length=data.excess_length,
    )


def _source(config: Config, column: str) -> Side:
    data, transform = config.data, config.transform
    return Side(
        column=column,
        tokenizer=transform.source_tokenizer,
        max_length=data.max_source_length,
        append_eos=transform.append_eos,
        prepend_bos=transform.prepend_bos,
        lowercase=transform.source_lowercase,
        normalize=_form(transform.source_normalize),
        pattern=transform.source_pattern,
        subwords=transform.source_subwords or "",
        truncate=data.truncate,
    )


def _form(normalize: str) -> str:
    return "" if normalize == "none" else normalize
