"""The part of the configuration that decides tokens, ids and weights, as Transform takes it."""

from pipeline.config import Config
from transform.settings import Settings, Side, SpecialIds


def token_settings(config: Config) -> Settings:
    """`transform.settings.Settings` of a configuration."""
    data, transform, columns = config.data, config.transform, config.data.columns
    source_role, target_role = {
        "lm": (None, "text"),
        "seq2seq": ("source", "target"),
        "tagging": ("tokens", "tags"),
    }[config.task]
    source = None
    if source_role:
        source = Side(
            column=columns[source_role],
            tokenizer=transform.source_tokenizer,
            max_length=data.max_source_length,
            append_eos=transform.append_eos,
            lowercase=transform.lowercase,
        )
    return Settings(
        task=config.task,
        source=source,
        target=Side(
            column=columns[target_role],
            tokenizer=transform.target_tokenizer,
            max_length=data.max_target_length,
            append_eos=transform.append_eos,
            # A tag is a label, not text: lower-casing is for what is read.
            lowercase=transform.lowercase and config.task != "tagging",
        ),
        special=SpecialIds(data.pad_id, data.unk_id, data.bos_id, data.eos_id),
        oov_buckets=data.oov_buckets,
        share_vocabulary=transform.share_vocabulary,
        input_chars=transform.input_chars,
        weights=transform.weights,
        token_weights=columns.get("weights"),
        example_weights=columns.get("example_weight"),
        excess_length=data.excess_length,
    )
