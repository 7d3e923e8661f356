"""The part of the configuration that decides tokens, ids and weights, as Transform takes it."""

from typing import Any

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
        source=_side(config, "source", columns[source_role]) if source_role else None,
        target=_side(config, "target", columns[target_role]),
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


def _side(config: Config, name: str, column: str) -> Side:
    data, transform = config.data, config.transform

    def own(key: str) -> Any:
        return getattr(transform, f"{name}_{key}")

    return Side(
        column=column,
        tokenizer=own("tokenizer"),
        max_length=getattr(data, f"max_{name}_length"),
        append_eos=transform.append_eos,
        prepend_bos=transform.prepend_bos,
        lowercase=own("lowercase"),
        normalize="" if own("normalize") == "none" else own("normalize"),
        pattern=own("pattern"),
        subwords=own("subwords") or "",
        truncate=data.truncate,
    )
