"""What the user chose about tokens, as one frozen value that travels as JSON.

ExampleGen's windows, VocabularyGen, Transform and the exported model all read the same settings, so
they tokenise alike.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field

TOKEN_LIST = "pretokenized"
ID_LIST = "ids"
WORDPIECE = "wordpiece"
SENTENCEPIECE = "sentencepiece"
SUBWORDS = (WORDPIECE, SENTENCEPIECE)

# Raw columns that ExampleGen adds to a row, int64; a row without a value has 0 (of SPAN: no age).
CONTEXT_LENGTH = "_context_length"  # a window's first so many tokens were scored in the one before
CONTINUES = "_continues"  # 1: the document goes on after this window, so no eos ends it
SPAN = "_span"  # the number of the span that the row is from
ADDED_COLUMNS = (CONTEXT_LENGTH, CONTINUES, SPAN)


@dataclass(frozen=True)
class SpecialIds:
    """Reserved ids. `pad` may be any of them or another; vocabulary ids start after the largest."""

    pad: int = 0
    unk: int = 1
    bos: int = 2
    eos: int = 3

    @property
    def reserved(self) -> int:
        """How many ids at the front hold no vocabulary token."""
        return max(self.pad, self.unk, self.bos, self.eos) + 1


@dataclass(frozen=True)
class Side:
    """How one side (source or target) becomes ids.

    Attributes:
      column: the raw column.
      tokenizer: a name of `tokenizers.NAMES`.
      max_length: positions, bos and eos included.
      append_eos, prepend_bos: what frames a sequence; neither is ever cut.
      lowercase: Unicode lower case before the text is cut.
      normalize: Unicode normal form before the text is cut: NFC, NFD, NFKC, NFKD or "".
      pattern: of the `regex` tokenizer: a token is what it matches (RE2).
      subwords: of `wordpiece` and `sentencepiece`: the file of their pieces. "": not known yet,
        see `Settings.with_subwords`.
      truncate: the end at which a sequence that is too long is cut, `right` or `left`.
    """

    column: str
    tokenizer: str
    max_length: int
    append_eos: bool = True
    prepend_bos: bool = False
    lowercase: bool = False
    normalize: str = ""
    pattern: str = ""
    subwords: str = ""
    truncate: str = "right"

    @property
    def room(self) -> int:
        """How many tokens fit; bos and eos, where they are added, are never cut."""
        return self.max_length - int(self.append_eos) - int(self.prepend_bos)


@dataclass(frozen=True)
class Settings:
    """Everything that decides ids, lengths and weights.

    Attributes:
      weights: the factors of `loss_weights`, see `weights`; the next ones are what they need.
      token_weights, example_weights: raw columns.
      regions: (marker, weight of the target tokens after it), up to the next marker.
      region_before: weight of the target tokens up to and with the first marker.
      class_weights: (target token, weight); others have 1.
      inverse_frequency_cap: the largest weight of a rare token.
      span_half_life, newest_span: a row's weight halves with every so many spans of age.
      excess_length: what happens to a sequence longer than its side: `truncate`, `window`, `drop` or
        `raise`. `window` and `drop` are ExampleGen's; after them nothing is too long.
    """

    task: str
    target: Side
    source: Side | None = None
    special: SpecialIds = field(default_factory=SpecialIds)
    oov_buckets: int = 1
    share_vocabulary: bool = False
    input_chars: int = 0
    weights: tuple[str, ...] = ("mask",)
    token_weights: str | None = None
    example_weights: str | None = None
    regions: tuple[tuple[str, float], ...] = ()
    region_before: float = 0.0
    class_weights: tuple[tuple[str, float], ...] = ()
    inverse_frequency_cap: float = 10.0
    span_half_life: float = 1.0
    newest_span: int = 0
    excess_length: str = "truncate"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        values = json.loads(text)
        values["target"] = Side(**values["target"])
        values["source"] = Side(**values["source"]) if values["source"] else None
        values["special"] = SpecialIds(**values["special"])
        values["weights"] = tuple(values["weights"])
        for name in ("regions", "class_weights"):
            values[name] = tuple((token, weight) for token, weight in values[name])
        return cls(**values)

    @property
    def sides(self) -> dict[str, Side]:
        """The sides that have tokens, by name."""
        return (
            {"source": self.source, "target": self.target}
            if self.source
            else {"target": self.target}
        )

    @property
    def unlearned(self) -> tuple[str, ...]:
        """The sides that are cut into subwords by a file that is not known yet."""
        return tuple(
            name
            for name, side in self.sides.items()
            if side.tokenizer in SUBWORDS and not side.subwords
        )

    def with_sides(self, change: Callable[[str, Side], Side]) -> "Settings":
        """These settings, with each side as `change(name, side)` has it."""
        source = change("source", self.source) if self.source else None
        return dataclasses.replace(self, source=source, target=change("target", self.target))

    def with_subwords(self, folder: str) -> "Settings":
        """These settings, with the subword files of a vocabulary's folder: what can tokenise."""

        def change(name: str, side: Side) -> Side:
            if side.tokenizer not in SUBWORDS:
                return side
            return dataclasses.replace(
                side, subwords=os.path.join(folder, subword_file(name, side))
            )

        return self.with_sides(change)

    def without_subwords(self) -> "Settings":
        """These settings, without the places of files: what a model that holds them says of itself."""
        return self.with_sides(lambda _, side: dataclasses.replace(side, subwords=""))

    def token_identity(self) -> str:
        """What must stay the same for a vocabulary to be extended: changing it changes what a token is."""
        sides = {
            name: [side.tokenizer, side.lowercase, side.normalize, side.pattern]
            for name, side in self.sides.items()
        }
        return json.dumps(
            [
                sides,
                dataclasses.asdict(self.special),
                self.oov_buckets,
                self.share_vocabulary,
                bool(self.input_chars),
            ],
            sort_keys=True,
        )


def subword_file(name: str, side: Side) -> str:
    """The file in a vocabulary's folder that holds the pieces of a side."""
    return f"{name}.wordpiece.txt" if side.tokenizer == WORDPIECE else f"{name}.sentencepiece.model"
