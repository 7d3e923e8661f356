"""What the user chose about tokens, as one frozen value that travels as JSON.

Transform, VocabularyGen and the exported model all read the same settings, so they tokenise alike.
"""

import dataclasses
import json
from dataclasses import dataclass, field

TOKEN_LIST = "pretokenized"


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

    `column` is the raw column; `max_length` counts positions, eos included.
    """

    column: str
    tokenizer: str
    max_length: int
    append_eos: bool = True
    lowercase: bool = False

    @property
    def room(self) -> int:
        """How many tokens fit; eos, where it is appended, is never cut."""
        return self.max_length - int(self.append_eos)


@dataclass(frozen=True)
class Settings:
    """Everything that decides ids, lengths and weights.

    `weights` names the factors of `loss_weights`; `token_weights` and `example_weights` are the raw
    columns that two of them read. `excess_length` is `truncate` or `raise`.
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
        return cls(**values)

    @property
    def sides(self) -> dict[str, Side]:
        """The sides that have tokens, by name."""
        return (
            {"source": self.source, "target": self.target}
            if self.source
            else {"target": self.target}
        )

    def token_identity(self) -> str:
        """What must stay the same for a vocabulary to be extended: changing it changes what a token is."""
        sides = {name: [side.tokenizer, side.lowercase] for name, side in self.sides.items()}
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
