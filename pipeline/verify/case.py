"""Everything that the checks of one certificate look at."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from pipeline.verify import batches
from pipeline.verify.compare import Size
from pipeline.verify.model import ExportedModel
from pipeline.verify.oracle import Array
from pipeline.verify.sample import Arrays, Materialised, RawRows, find_materialised
from pipeline.verify.subject import Subject
from transform import features

# Logits held at once, in numbers: 16 and 64 MB of float32, a few copies of which are alive.
_PROBE_ELEMENTS, _PASS_ELEMENTS = 4_000_000, 16_000_000
_FEWEST = 2
EXTRA = 3  # positions of artificial padding


@dataclass(frozen=True)
class Probe:
    """Rows whose logits are at hand: what the loss is called with.

    `logits` `[B, T, V]` float32 and `hidden` `[B, T, D]` are the model's; `targets`, `weights`
    `[B, T]`, `lengths` `[B]` the data's.
    """

    hidden: np.ndarray
    logits: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray

    @property
    def live(self) -> np.ndarray:
        """bool `[B, T]`: the weight is not 0."""
        return self.weights != 0

    @property
    def magnitudes(self) -> Array:
        """max |logit| `[B, T]`, 0 where the weight is 0: what float32's rounding goes by."""
        largest = np.abs(self.logits).max(axis=-1)
        return np.where(self.live, largest, 0.0).astype(np.float64)

    @property
    def classes(self) -> int:
        """V."""
        return self.logits.shape[-1]

    @property
    def masked(self) -> int:
        """Positions of weight 0."""
        return int(self.weights.size - np.count_nonzero(self.weights))

    @property
    def weights64(self) -> Array:
        return self.weights.astype(np.float64)

    @property
    def size(self) -> Size:
        return Size(len(self.weights), int(np.count_nonzero(self.weights)))

    def rows(self, index: slice | list[int] | np.ndarray) -> "Probe":
        """Some rows, in that order."""
        names = [field.name for field in dataclasses.fields(self)]
        return Probe(**{name: getattr(self, name)[index] for name in names})

    def longer(self, random: np.random.Generator, by: int = EXTRA) -> "Probe":
        """With `by` more positions of weight 0, at which any logits, ids and states stand."""
        shape = (len(self.weights), by)
        size = self.classes

        def grown(array: np.ndarray, more: np.ndarray) -> np.ndarray:
            return np.concatenate([array, more.astype(array.dtype)], axis=1)

        return Probe(
            grown(self.hidden, random.normal(size=(*shape, self.hidden.shape[-1]))),
            grown(self.logits, random.normal(size=(*shape, size)) * 3),
            grown(self.targets, random.integers(0, size, shape)),
            grown(self.weights, np.zeros(shape)),
            self.lengths,
        )


@dataclass(frozen=True)
class Case:
    """A model, a sample of its data, and the numbers of a part of it.

    Attributes:
      raw: the sample's raw rows.
      transformed: the same rows through the exported `transform_features`, untrimmed `[N, ...]`.
      materialised: the same rows as Transform wrote them.
      passes: the first rows of `transformed`, padding trimmed, as many as one pass may hold.
      probe: the first rows of `passes`, with logits.
      seed: of everything that is drawn.
    """

    subject: Subject
    model: ExportedModel
    raw: RawRows
    transformed: Arrays
    materialised: Materialised
    passes: Arrays
    probe: Probe
    seed: int

    @property
    def size(self) -> Size:
        return size_of(self.transformed)

    @property
    def smoothing(self) -> dict[str, float]:
        """Label smoothing and z-loss that the model was trained with, where there are any."""
        trained = self.model.facts["loss"]
        return {name: trained[name] for name in ("label_smoothing", "z_loss") if trained[name]}

    def random(self) -> np.random.Generator:
        """A generator in its first state: each check draws the same, whatever ran before it."""
        return np.random.default_rng(self.seed)

    def longest(self, batch: Arrays) -> Arrays:
        """A batch with `EXTRA` more padding, or what a Transformer's number of positions leaves."""
        spec, settings = self.model.network.spec, self.model.settings
        bound = spec.family == "transformer"
        target = _room(batch, features.TARGETS, spec.max_length if bound else None)
        source = _room(batch, features.INPUTS, spec.max_input_length if bound else None)
        if settings.task == features.TAGGING:
            target = source = min(target, source)
        return batches.longer(batch, target=target, source=source, pad_id=settings.special.pad)


def build(subject: Subject, model: ExportedModel, raw: RawRows, seed: int) -> Case:
    """Transform the sample, find it among Transform's rows, run the model on its first rows."""
    transformed = model.transform_features(raw.rows)
    materialised = find_materialised(subject.materialised, transformed, model.spec)
    passes = _first(transformed, _PASS_ELEMENTS, model.vocabulary_size)
    return Case(
        subject=subject,
        model=model,
        raw=raw,
        transformed=transformed,
        materialised=materialised,
        passes=passes,
        probe=probe(model, _first(passes, _PROBE_ELEMENTS, model.vocabulary_size)),
        seed=seed,
    )


def probe(model: ExportedModel, batch: Arrays) -> Probe:
    """A batch with the model's hidden states and logits."""
    hidden, logits = model.hidden(batch)
    return Probe(
        hidden.astype(np.float32),
        logits,
        batch[features.TARGETS],
        batch[features.LOSS_WEIGHTS],
        batch[features.TARGET_LENGTHS],
    )


def size_of(batch: Arrays) -> Size:
    """Rows and weighted positions of a batch."""
    weights = batch[features.LOSS_WEIGHTS]
    return Size(len(weights), int(np.count_nonzero(weights)))


def _first(batch: Arrays, elements: int, vocabulary_size: int) -> Arrays:
    """As many of the first rows as keep B T V within `elements`, but not fewer than two."""
    longest = np.maximum.accumulate(np.maximum(batch[features.TARGET_LENGTHS], 1))
    needed = np.arange(1, len(longest) + 1) * longest * vocabulary_size
    count = max(_FEWEST, int(np.count_nonzero(needed <= elements)))
    return batches.trimmed(batches.rows(batch, slice(0, count)))


def _room(batch: Arrays, name: str, limit: int | None) -> int:
    if name not in batch or limit is None:
        return EXTRA
    return max(0, min(EXTRA, limit - batch[name].shape[1]))
