"""Sample decodes, each token shaded by its loss; and the examples and tokens that are worst.

Shades are five steps. Colour is not all that tells them apart: the underline grows with them, and
the two darkest carry their loss as a number.
"""

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.blocks import Block, Cell, Drawn, Fold, Heading, Note, Row, Text, row, table
from pipeline.report.elements import Html, element, join
from pipeline.report.formats import count, is_finite, number

Json = Mapping[str, Any]

_STEPS = (0.1, 0.5, 1.0, 2.0)  # nats: p > 0.90, 0.61, 0.37, 0.14
_NUMBERED = 3  # shades from this one on carry a number
_UNFOLDED = 12  # samples, examples and tokens; those after them are folded away
_MOST_TOKENS = 200
_MOST_LETTERS = 240


_Names = tuple[str, str, str]
_OF_TEXT: _Names = ("source", "target", "generated")
_OF_TAGS: _Names = ("tokens", "tags", "predicted")


def samples(found: Json, *, tags: bool = False) -> tuple[Block, ...]:
    """Of samples.json: source, target with shades, what the model makes of the source.

    Args:
      found: samples.json.
      tags: whether the targets are tags, one for each token of the source.
    """
    names = _OF_TAGS if tags else _OF_TEXT
    given = [each for each in found.get("samples") or () if each.get("tokens")]
    if not given:
        return ()
    legend = [
        element("span", _step(shade), class_=f"t s{shade}") for shade in range(len(_STEPS) + 1)
    ]
    said = element("p", "loss of a token, nats: ", _spaced(legend), class_="soft")
    first = _drawn(given[:_UNFOLDED], names)
    shown = (Drawn(join(said, first.html), first.plain),)
    rest = given[_UNFOLDED:]
    return shown + ((Fold(f"{len(rest):,} more samples", (_drawn(rest, names),)),) if rest else ())


def _drawn(given: Sequence[Json], names: _Names) -> Drawn:
    rows = [row([_key(each), *_plain(each)]) for each in given]
    source, target, generated = names
    heads = ["example", source, f"{target} (loss from 1 nat on)", generated, "loss per token"]
    html = element("div", [_sample(each, names) for each in given], class_="samples")
    return Drawn(html, table(heads, rows, text_columns=4))


def _step(shade: int) -> str:
    if shade == len(_STEPS):
        return f"≥ {_STEPS[-1]:g}"
    return f"< {_STEPS[shade]:g}"


def _sample(each: Json, names: _Names) -> Html:
    source, target, generated = names
    losses = [*(each.get("losses") or ())]
    lines = [element("p", element("code", _key(each)), _told(each), class_="soft")]
    if each.get("source"):
        lines.append(_line(source, _cut(str(each["source"]))))
    weights = [*(each.get("weights") or ())]
    tokens = [
        _token(str(token), _at(losses, index), _at(weights, index))
        for index, token in enumerate(each["tokens"][:_MOST_TOKENS])
    ]
    lines.append(_line(target, join(_spaced(tokens), _more(each))))
    if each.get("generated") is not None:
        lines += [_line("given", _cut(str(each["prompt"])))] if each.get("prompt") else []
        lines.append(_line(generated, _generated(each)))
    return element("div", lines, class_="sample")


def _told(each: Json) -> str:
    mean = _mean(each)
    return f" · {mean} nats per token" if mean else ""


def _line(name: str, text: str) -> Html:
    return element("div", element("span", name, class_="soft"), element("div", text))


def _token(token: str, loss: Any, weight: Any) -> Html:
    if is_finite(weight) and weight == 0:
        return element("span", token, class_="t unweighted", title="weight 0")
    if not is_finite(loss):
        return element("span", token, class_="t")
    shade = _shade(loss)
    told = element("sub", f"{loss:.1f}") if shade >= _NUMBERED else ""
    return element("span", token, told, class_=f"t s{shade}", title=f"{number(loss)} nats")


def _shade(loss: float) -> int:
    return bisect.bisect_right(_STEPS, loss)


def _plain(each: Json) -> list[str]:
    losses, weights = each.get("losses") or (), each.get("weights") or ()
    words = [
        _marked(str(token), _at(losses, index), _at(weights, index))
        for index, token in enumerate(each["tokens"][:_MOST_TOKENS])
    ]
    text = " ".join(words) + _more(each)
    generated = "" if each.get("generated") is None else _generated(each)
    if generated and each.get("prompt"):
        generated = f"given {_cut(str(each['prompt']))}: {generated}"
    return [_cut(str(each.get("source") or "")), text, generated, _mean(each)]


def _marked(token: str, loss: Any, weight: Any) -> str:
    counted = is_finite(loss) and not (is_finite(weight) and weight == 0)
    return f"{token}({loss:.1f})" if counted and _shade(loss) >= _NUMBERED else token


def _mean(each: Json) -> str:
    """Σ w·ℓ / Σ w of what is weighted."""
    known = [
        (loss, weight)
        for loss, weight in zip(each.get("losses") or (), each.get("weights") or (), strict=False)
        if is_finite(loss) and is_finite(weight) and weight
    ]
    total = sum(weight for _, weight in known)
    return f"{number(sum(loss * weight for loss, weight in known) / total)}" if total else ""


def _generated(each: Json) -> str:
    return _cut(str(each["generated"])) or "(nothing)"


def _more(each: Json) -> str:
    left = len(each["tokens"]) - _MOST_TOKENS
    return f" … {left:,} more tokens" if left > 0 else ""


def _key(each: Json) -> str:
    return str(each.get("key") or "")


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def _spaced(items: Sequence[Html]) -> Html:
    """With spaces between, where lines may break."""
    return Html(" ".join(items))


def worst(found: Json) -> tuple[Block, ...]:
    """Of worst.json: the examples with the largest loss per token, the tokens that cost most."""
    examples, tokens = found.get("examples") or (), found.get("tokens") or ()
    parts: list[Block] = []
    if examples:
        heads = ["example", "loss per token", "loss", "tokens"]
        rows = [_example(each) for each in examples]
        parts += [Heading("Examples"), *_ranked("examples", heads, rows, look="worst")]
    if tokens:
        heads = ["token", "loss per token", "loss", "weight", "times"]
        rows = [
            row(
                [
                    Cell(_visible(str(each.get("token", ""))), code=True),
                    *(number(each.get(name)) for name in ("loss", "loss_sum", "weight")),
                    count(each.get("count")),
                ]
            )
            for each in tokens
        ]
        parts += [Heading("Tokens"), *_ranked("tokens", heads, rows)]
        parts.append(
            Text("Loss: Σ w·ℓ in nats; the tokens on which the most of it is lost.", "soft")
        )
    return tuple(parts)


def _ranked(
    what: str, heads: Sequence[str], rows: Sequence[Row], look: str = ""
) -> tuple[Block, ...]:
    """The first of them, and the others folded away."""
    first, rest = rows[:_UNFOLDED], rows[_UNFOLDED:]
    more = Fold(f"{len(rest):,} more {what}", table(heads, rest, look=look))
    return table(heads, first, look=look) + ((more,) if rest else ())


def _example(each: Json) -> Row:
    """What was to be said, of which source, and where that is."""
    about = (_cut(str(each.get("source") or "")), _key(each))
    return row(
        [
            Cell(_cut(str(each.get("text") or "")), tuple(map(Note, about))),
            number(each.get("loss")),
            number(each.get("loss_sum")),
            count(each.get("tokens")),
        ]
    )


def _visible(token: str) -> str:
    """A token of blanks as what it is."""
    return token if token.strip() else repr(token)
