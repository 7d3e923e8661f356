"""One thing that is wrong with a compiled line."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """`place`: where in the file, as `root.Pusher.model`; `text`: what was got, what expected."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"
