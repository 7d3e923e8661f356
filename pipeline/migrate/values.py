"""What is known, without running anything, of the values in a source file."""

import ast
import dataclasses
import enum

import libcst as cst

from pipeline.migrate.catalogue import Function
from pipeline.migrate.names import Reference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thing:
    """Anything that is not a loss. None and False mean: not known.

    Attributes:
      text: the code of it, without casts.
      root: the same, where a name that is a copy or cast of another is that other.
      kind: "tensor", "list" or, of two weights, "product".
      rank: of a tensor.
      dtype: "bool", "int" or "float".
      constant: made of numbers in the source or by a random generator: no model behind it.
      numbers: those in the source.
      lengths: root of the lengths that a mask was made of.
      sum_of: root of what was summed up to this, over all ("all") or time ("time") as `axis` says.
      mean_of: the same of a mean.
      safe: cannot be 0; of `normalised` weights, cannot be NaN.
      normalised: these weights are divided by their sum over all ("all") or time ("time").
      flattened: made by a reshape.
      variables: what `tf.trainable_variables()` returns.
      size: number of elements of a list display, also of one that a constant is made of.
      picked: it holds only tokens that a mask picked.
      string: its value, of a string.
      one_hot: made by `tf.one_hot`.
      indices: what `tf.where` made these indices of.
    """

    text: str
    root: str
    kind: str | None = None
    rank: int | None = None
    dtype: str | None = None
    constant: bool = False
    numbers: tuple[float, ...] = ()
    lengths: str | None = None
    sum_of: str | None = None
    mean_of: str | None = None
    normalised: str | None = None
    axis: str | None = None
    safe: bool = False
    flattened: bool = False
    variables: bool = False
    size: int | None = None
    string: str | None = None
    one_hot: bool = False
    picked: "Picked | None" = None
    indices: "Thing | None" = None


@dataclasses.dataclass(frozen=True)
class Picked:
    """Where picked tokens come from.

    Attributes:
      mask: None where it is not known, or not of shape `[B, T]`.
      names: the names in the code of both, and what they held.
    """

    tensor: Thing
    mask: Thing | None
    names: tuple[tuple[str, "Value | None"], ...]


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The picked tokens that a call is given: code of the whole tensors (None: unknown), mask."""

    logits: str | None
    targets: str | None
    mask: Thing


class Stage(enum.Enum):
    """How far a loss has been reduced."""

    TOKENS = "[B, T]"
    MASKED = "[live tokens]"
    ROW_SUMS = "[B], sums"
    ROWS = "[B]"
    STEPS = "[T]"
    COLUMN_SUMS = "[T] or [B], sums"
    COLUMNS = "[T] or [B]"
    TOTAL = "scalar, a sum"
    DONE = "scalar"
    OTHER = "loss and something else"


class Kind(enum.Enum):
    """What is done with a loss."""

    MEAN_ALL = enum.auto()  # mean over [B, T], pads included
    MEAN_TIME = enum.auto()  # mean over T, pads included: [B]
    MASKED_MEAN = enum.auto()  # boolean_mask, then mean
    OVER_WEIGHTS = enum.auto()  # sum(w*loss) / sum(w)
    OVER_LENGTHS = enum.auto()  # sum(w*loss) / sum(lengths)
    OVER_NONZERO = enum.auto()  # sum(w*loss) / count_nonzero(w)
    COLUMN_SUM = enum.auto()  # over the first axis
    COLUMNS_OVER_WEIGHTS = enum.auto()  # sum(w*loss) / sum(w), both over the first axis
    COLUMNS_MEAN = enum.auto()
    OVER_OTHER = enum.auto()  # sum(w*loss) / something
    ROWS_OVER_WEIGHTS = enum.auto()  # sum_t(w*loss) / sum_t(w)
    SUM = enum.auto()  # sum(w*loss)
    ROW_SUM = enum.auto()  # sum_t(w*loss)
    ROWS_MEAN = enum.auto()  # mean over B of [B]
    ROWS_SUM = enum.auto()
    ROW_SUMS_MEAN = enum.auto()  # sum(w*loss) / B
    STEPS_MEAN = enum.auto()
    STEPS_SUM = enum.auto()
    SCALED = enum.auto()  # times or divided by something, after all that
    OUTSIDE_TAPE = enum.auto()
    NO_VARIABLES = enum.auto()
    GRADIENT = enum.auto()
    NUMPY = enum.auto()
    NO_SAMPLE_WEIGHT = enum.auto()
    PICKED = enum.auto()  # a loss object of Keras given picked tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class Use:
    """One thing done with a loss, at a line of the file.

    Attributes:
      weights: what the tokens were multiplied or masked with, if anything.
      divisor: code of it, for the OVER kinds.
      safe: the divisor cannot be 0, or 0 / 0 gives 0, then by `no_nan`.
    """

    kind: Kind
    line: int
    weights: Thing | None = None
    divisor: str = ""
    safe: bool = False
    no_nan: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """A value computed from the loss of one call.

    Attributes:
      call: index of the call among those found.
      tape: the `with tf.GradientTape()` in which it was computed.
      pending: a sum that a division may turn into a mean.
    """

    call: int
    stage: Stage
    tape: cst.With | None = None
    weights: Thing | None = None
    pending: Use | None = None


@dataclasses.dataclass(frozen=True)
class Maker:
    """A loss object: calling it gives the loss."""

    call: int


@dataclasses.dataclass(frozen=True)
class Local:
    """A function defined in the file."""

    node: cst.FunctionDef


@dataclasses.dataclass(frozen=True)
class Tape:
    """A `tf.GradientTape`, bound by this statement."""

    block: cst.With


@dataclasses.dataclass(frozen=True)
class Named:
    """A function of the catalogue that a string named."""

    reference: Reference


Value = Thing | Loss | Maker | Local | Tape | Named


@dataclasses.dataclass(frozen=True)
class Given:
    """The arguments of a call.

    Attributes:
      nodes: the expression given for each parameter.
      code: the same as text.
      unknown: text of the first `*args` or `**kwargs`.
      error: why the original refuses the call whatever the values.
    """

    nodes: dict[str, cst.BaseExpression]
    code: dict[str, str]
    unknown: str | None = None
    error: str | None = None

    def flag(self, name: str, default: bool) -> bool | str:
        """A boolean argument: the truth of a literal, else its text."""
        if name not in self.code:
            return default if self.unknown is None else self.unknown
        text = self.code[name]
        try:
            return bool(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return text


@dataclasses.dataclass
class LossCall:
    """One call (or mention) of a function of the catalogue, and what becomes of its result.

    Attributes:
      node: the call, the string in `compile`, or the expression that only mentions it.
      how: "call", "mention" (passed on, not called here), "compile" or "object" (a loss object's
        call, `maker` being where it was made).
      things: what is known of the arguments.
      decorated: within a `tf.function`.
      loss_class: name of the keras `Loss` subclass whose `call` it is in.
      custom: the softmax_loss_function, where the file defines it.
      picked: it gets only the tokens that a mask picked.
    """

    reference: Reference
    node: cst.BaseExpression
    how: str
    given: Given
    things: dict[str, Thing]
    line: int
    column: int
    uses: list[Use] = dataclasses.field(default_factory=list)
    maker: "LossCall | None" = None
    called: int = 0
    decorated: bool = False
    loss_class: str | None = None
    custom: cst.FunctionDef | None = None
    picked: Tokens | None = None

    @property
    def function(self) -> Function:
        return self.reference.function

    @property
    def one_step(self) -> bool:
        """Whether its lists have one element: flattened tokens, each a sequence of its own."""
        logits = self.things.get("logits")
        return (
            self.function.lists and logits is not None and (logits.kind, logits.size) == ("list", 1)
        )

    def used(self, *kinds: Kind) -> list[Use]:
        return [use for use in self.uses if use.kind in kinds]
