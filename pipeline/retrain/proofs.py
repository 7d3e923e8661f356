"""What a run has come to that died before it could say so: it was noted with its push, or its refusal."""

import os

from components.pusher import run_keys
from pipeline import paths
from pipeline.config import Config
from pipeline.retrain import order, planning
from pipeline.retrain.order import Order, Outcome

_PUSHED_MODELS = os.path.join("artifacts", "Pusher", "pushed_model")  # below the pipeline's folder


def settled(config: Config, folder: str, key: str) -> Outcome | None:
    """How a run has ended, whatever it told; None: it has neither pushed nor been refused.

    Args:
      config: the one of now, which may be another one than the run's.
      folder: of the run's order.
      key: of the run.
    """
    told = order.read_outcome(folder, key)
    if told is not None and told.state != "failed":
        return told
    return _noted(config, folder, key)


def _noted(config: Config, folder: str, key: str) -> Outcome | None:
    ordered = order.order_of(folder, key)
    pushed_to = ordered.push_to if ordered else ""
    version = run_keys.version_of(pushed_to or config.serving.push_to, key)
    if version is not None:
        return Outcome(key=key, state="pushed", version=str(version))
    pushed_models = os.path.join(paths.pipeline_folder(config), _PUSHED_MODELS)
    reason = run_keys.refusal(pushed_models, key)
    return None if reason is None else Outcome(key=key, state="refused", reason=reason)


def repeated(folder: str, key: str, *, code: str, config: str) -> Order | None:
    """The order of a run, if it is the same run with this code and configuration; else None."""
    found = order.order_of(folder, key)
    if found is None:
        return None
    spans = [(span, 1, content) for span, content in found.spans]  # versions do not count
    new = [(span, 1) for span in found.new]
    return found if planning.run_key(spans, new, code, config, found.again) == key else None
