"""From pairs of numbers that must be equal to one `Check`: the worst of them counts.

How far apart is too far: `relative` times the largest absolute value of what was wanted, and, for
losses, what float32 cannot hold. A token's cross-entropy is log(1 + s), and 1 + s is known to a
step of float32 at 1, u = 1.2e-7, however small the loss: a loss of 0.001 nats is known to 1e-4 of
itself, no better, by any float32 program. The sum over V classes adds a random walk of steps. And
it is a difference of numbers of the size of the logits: with L = max |logit|, each difference of
two logits is rounded by up to u L (half a step at 2 L). So a token's loss is off by up to

    u (1 + √V / 8 + L).

Rounding errors of the tokens have any sign: in sum c l the L c add up as a root of squares, while
the first two, which kernels share, add up as they are. The same goes for softmax - 1, the gradient,
to which TensorFlow's vectorised exponential and reciprocal add a few steps of their own.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import InputError
from pipeline.verify.certificate import FAIL, NOT_EXERCISED, PASS, Check

ROUNDING = 2.0**-23
_KERNEL_STEPS = 3.0  # between TensorFlow's exponential and reciprocal and the true ones
VALUE, GRADIENT = 1e-6, 1e-5  # relative, for float32 computed in two ways


@dataclass(frozen=True)
class Pair:
    """Two arrays that must be equal.

    `nats` scales float32's rounding: what one nat at every token amounts to in this number (1 for a
    mean, the sum of weights for a sum), times the steps that a token may be off. 0: no allowance.
    """

    name: str
    got: Any
    wanted: Any
    nats: float = 0.0


def loss_steps(classes: int) -> float:
    """How many steps of float32 a cross-entropy over so many classes may be off (8 sums in turn)."""
    return 1.0 + float(np.sqrt(classes)) / 8


def softmax_steps(classes: int) -> float:
    """The same for a softmax."""
    return loss_steps(classes) + _KERNEL_STEPS


def rounded(
    factors: np.ndarray,
    magnitudes: np.ndarray,
    steps: float,
    reduced: Callable[[np.ndarray], np.ndarray],
) -> float:
    """How far float32's rounding may take any number of a sum of c l, in steps, see `Pair.nats`.

    Args:
      factors, magnitudes: c and max |logit|, `[B, T]`.
      steps: of one token, whatever its logits: `loss_steps` or `softmax_steps`.
      reduced: adds up an array `[B, T]` as the number does.
    """
    shared = steps * reduced(np.abs(factors))
    own = np.sqrt(reduced(np.square(factors * magnitudes)))
    return float((shared + own).max(initial=0.0))


@dataclass(frozen=True)
class Size:
    """On how much a check was made: examples, and positions with weight > 0."""

    rows: int
    tokens: int


def close(
    invariant: int, compared: str, pairs: Iterable[Pair], *, relative: float, size: Size
) -> Check:
    """A check that all pairs agree to `relative`, and to float32's rounding where it has a say."""
    measured = [_Measured.of(pair, relative) for pair in pairs]
    if not measured:
        return not_exercised(invariant, compared, "nothing to compare")
    worst = max(measured, key=lambda each: each.excess)
    return Check(
        invariant,
        compared,
        size.rows,
        size.tokens,
        worst.absolute,
        worst.relative,
        worst.limit,
        PASS if all(each.excess <= 1 for each in measured) else FAIL,
        f"worst of {len(measured)}: {worst.name}",
    )


def identical(
    invariant: int, compared: str, pairs: Iterable[Pair], *, size: Size, word: str = "bitwise"
) -> Check:
    """A check that all pairs are equal bit by bit, NaN excepted: that never is."""
    pairs = list(pairs)
    if not pairs:
        return not_exercised(invariant, compared, "nothing to compare")
    differing = [pair for pair in pairs if not _same_bits(pair)]
    worst = max((_Measured.of(pair, 1.0) for pair in pairs), key=lambda each: each.absolute)
    names = ", ".join(pair.name for pair in differing[:3])
    return Check(
        invariant,
        compared,
        size.rows,
        size.tokens,
        worst.absolute,
        worst.relative,
        word,
        FAIL if differing else PASS,
        f"{len(differing)} of {len(pairs)} differ: {names}" if differing else "",
    )


def not_exercised(invariant: int, compared: str, reason: str) -> Check:
    """A row that says why nothing was compared."""
    return Check(invariant, compared, 0, 0, None, None, "-", NOT_EXERCISED, reason)


def guarded(invariant: int, compared: str, checks: Callable[[], Iterable[Check]]) -> list[Check]:
    """The checks; one that cannot be made because something raised has failed, and says why.

    Raises:
      KeyboardInterrupt: the user ended it, also where Beam made another exception of that.
      InputError: something that is needed cannot be read.
    """
    done: list[Check] = []
    try:
        with _noted_interrupts():
            done.extend(checks())
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        done.append(Check(invariant, compared, 0, 0, None, None, "-", FAIL, f"raised {reason}"))
    return done


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[None]:
    """Ctrl-C is noted where it arrives: Beam wraps or drops what is raised in a bundle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted = False
    before = signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        nonlocal noted
        noted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if noted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if noted:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class _Measured:
    """A pair's deviations; `excess` is the deviation in units of what is allowed.

    `limit` is what is allowed, relative as `relative` is, in words; a star where float32's rounding
    is a part of it.
    """

    name: str
    absolute: float
    relative: float
    excess: float
    limit: str

    @classmethod
    def of(cls, pair: Pair, relative: float) -> "_Measured":
        got, wanted = np.asarray(pair.got, np.float64), np.asarray(pair.wanted, np.float64)
        if got.shape != wanted.shape or not (np.isfinite(got).all() and np.isfinite(wanted).all()):
            return cls(pair.name, np.inf, np.inf, np.inf, f"{relative:.1e}")
        absolute = float(np.abs(got - wanted).max(initial=0.0))
        scale = float(np.abs(wanted).max(initial=0.0))
        allowed = relative * scale + ROUNDING * pair.nats
        return cls(
            pair.name,
            absolute,
            _ratio(absolute, scale),
            _ratio(absolute, allowed),
            _limit(allowed, scale, relative) + ("*" if pair.nats else ""),
        )


def _limit(allowed: float, scale: float, relative: float) -> str:
    """Rounded up: what passes never looks larger than what is allowed."""
    found = allowed / scale if scale else relative
    unit = 10.0 ** (np.floor(np.log10(found)) - 1)
    return f"{np.ceil(found / unit * (1 - 1e-9)) * unit:.1e}"


def _ratio(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return part / whole if whole else float("inf")


def _same_bits(pair: Pair) -> bool:
    got, wanted = np.asarray(pair.got), np.asarray(pair.wanted)
    if got.dtype.kind == "f" and np.isnan(got).any():
        return False
    same = got.dtype == wanted.dtype and got.shape == wanted.shape
    return same and bool(np.array_equal(got, wanted))
