"""Small subword files, made once: what the tests of tokenizers, vocabularies and graphs cut with."""

import functools
import io

import sentencepiece

from transform.settings import SENTENCEPIECE, WORDPIECE

WORDPIECES = [
    "[PAD]", "[UNK]", "[SEP]", "the", "fox", "un", "##want", "##ed", "run", "##ning", ",", ".", "!", "[", "]",
    "SEP", "a", "##b", "##\u0301", "e", "漢", "字", "ש", "##ל", "\U0001f468",
]  # fmt: skip
WORDPIECE_FILE = ("\n".join(WORDPIECES) + "\n").encode()
_TEXT = "the quick brown fox jumps over the lazy dog and runs away naïve 漢字 שלום"


@functools.cache
def sentencepiece_file(**options: object) -> bytes:
    """A unigram model over a few words that gives every text back."""
    written = io.BytesIO()
    kind = {"byte_fallback": True, "add_dummy_prefix": False, "remove_extra_whitespaces": False}
    lines = [f"{space}{word}\t9" for word in _TEXT.split() for space in ("", " ")]
    sentencepiece.SentencePieceTrainer.train(
        **kind | options,
        sentence_iterator=iter(lines),
        model_writer=written,
        input_format="tsv",
        vocab_size=320,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


def content(tokenizer: str) -> bytes:
    """The content of a small file of a tokenizer."""
    return {WORDPIECE: lambda: WORDPIECE_FILE, SENTENCEPIECE: sentencepiece_file}[tokenizer]()
