"""Replicas: which devices and processes train together, and what only one of them does.

`mirrored`: the GPUs of this machine, or parts of its CPU. `multi_worker`: the processes that
TF_CONFIG names, each of which is started alike, with the same request. One of them is the chief.
"""

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context as tf_context

from components.errors import InputError
from components.trainer.request import TrainOptions

_SILENCE_SECONDS = 600


@dataclass(frozen=True)
class Replicas:
    """What trains together.

    Attributes:
      strategy: makes the variables of the replicas; None: one device of this process.
      chief: whether this process writes and reports; of several processes exactly one does.
    """

    strategy: tf.distribute.Strategy | None = None
    chief: bool = True

    @property
    def count(self) -> int:
        """Replicas of all processes."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    def from_chief(self, value: float | None) -> float | None:
        """The chief's value, in every process; all of them have to ask."""
        if self._processes == 1:
            return value
        told = [value, 1.0] if self.chief and value is not None else [0.0, 0.0]
        found, known = self._sums(told)
        return found if known else None

    def agree(self, what: str, value: int) -> None:
        """Go on if all processes have the same value; all of them have to ask.

        Raises:
          InputError: they have not, and would wait for each other for ever.
        """
        if self._processes == 1:
            return
        total, squares = self._sums([float(value), float(value) ** 2])
        if self._processes * squares != total**2:  # exact in float64: these are counts
            raise InputError(
                f"train.distribution: {what}: got {value} here and another number in another "
                "worker, expected the same; do they read and write the same folders?"
            )

    @property
    def _processes(self) -> int:
        return self.count // self._here if self.strategy else 1

    @property
    def _here(self) -> int:
        """Replicas of this process."""
        return len(self.strategy.extended.worker_devices) if self.strategy else 1

    def _sums(self, values: list[float]) -> list[float]:
        """float64 sums over the processes."""
        first_of_each = _summing(self.strategy, self._here)
        return [float(each) for each in first_of_each(tf.constant(values, tf.float64))]


ALONE = Replicas()


def replicas(options: TrainOptions) -> Replicas:
    """The replicas that `train.distribution` asks for.

    With several processes this waits until all of them are there.

    Raises:
      InputError: this machine, this process or TF_CONFIG has not what it takes.
    """
    if options.distribution == "none":
        return ALONE
    if options.distribution == "mirrored":
        return Replicas(_mirrored(tuple(_devices(options.replicas))))
    return Replicas(_multi_worker(), is_chief(options))


def is_chief(options: TrainOptions) -> bool:
    """Whether this process is the one that writes."""
    if options.distribution != "multi_worker":
        return True
    given = _tf_config()
    task = given["task"]
    chief = "chief" if given["cluster"].get("chief") else "worker"
    return task.get("type") == chief and int(task.get("index", 0)) == 0


def prepare(distribution: str, count: int) -> None:
    """Cut the CPU into the parts that `mirrored` needs, before TensorFlow has run anything here.

    For a process that does other things before it trains.

    Raises:
      InputError: TensorFlow has; the machine has too few GPUs; or each worker needs its own process.
    """
    if distribution == "mirrored":
        _devices(count)
    if distribution == "multi_worker":
        raise InputError(
            "train.distribution: got multi_worker, expected none or mirrored where one process "
            "runs all components: every worker runs SequenceTrainer in a process of its own"
        )


def _devices(count: int) -> list[str]:
    """Names of so many GPUs, or parts of the CPU where there is no GPU; 0: all GPUs."""
    gpus = [device.name for device in tf.config.list_physical_devices("GPU")]
    if len(gpus) < count and gpus:
        raise InputError(f"train.replicas: got {count}, expected at most the {len(gpus)} GPUs here")
    if gpus:
        return [f"GPU:{index}" for index in range(count or len(gpus))]
    if not count:
        raise InputError(
            "train.replicas: got 0, all GPUs, on a machine that has none; expected a number of "
            "parts of its CPU, or train.distribution: none"
        )
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        if len(tf.config.get_logical_device_configuration(cpu) or []) < count:
            tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError:
        raise InputError(
            f"train.replicas: got {count} parts of the CPU in a process in which TensorFlow has "
            "run before, expected a new process"
        ) from None
    return [f"CPU:{index}" for index in range(count)]


# A second strategy of the same devices would give its sums the names that the first one gave.
@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _multi_worker() -> tf.distribute.Strategy:
    cluster, context = _tf_config()["cluster"], tf_context.context()
    if context.coordination_service is None:
        if context._initialized:
            raise InputError(
                "train.distribution: got multi_worker in a process in which TensorFlow has run "
                "before, expected a new process for each worker that does nothing but train"
            )
        _be_patient(cluster)
    return tf.distribute.MultiWorkerMirroredStrategy()


@functools.cache
def _summing(strategy: tf.distribute.Strategy, here: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """float64 [N] -> its sum over the first of every `here` replicas."""

    def share(values: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        replica = tf.convert_to_tensor(context.replica_id_in_sync_group)
        own = tf.where(tf.equal(replica % here, 0), values, tf.zeros_like(values))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

    def summed(values: tf.Tensor) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(share, args=(values,)))[0]

    return tf.function(summed, autograph=False)


def _be_patient(cluster: dict[str, Any]) -> None:
    """As TensorFlow would do it, but a worker may be silent for longer than its ten seconds.

    One that has ended closes its connections, which the others see without any time limit.
    """
    jobs = [
        coordination_config_pb2.CoordinatedJob(name=kind, num_tasks=len(cluster[kind]))
        for kind in ("chief", "worker")
        if cluster.get(kind)
    ]
    tf_context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{jobs[0].name}/replica:0/task:0",
        heartbeat_timeout_in_ms=_SILENCE_SECONDS * 1000,
        coordinated_jobs=jobs,
    )


def _tf_config() -> dict[str, Any]:
    """TF_CONFIG.

    Raises:
      InputError: there is none, or it names no workers.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("task"), dict):
        cluster = found.get("cluster")
        if isinstance(cluster, dict) and cluster.keys() & {"chief", "worker"}:
            return found
    raise InputError(
        f"train.distribution: got multi_worker with TF_CONFIG {text!r} in the environment, expected "
        '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
    )
