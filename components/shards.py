"""The shard files of an Examples artifact: reading them, and working on all of them at once.

A shard is the unit of work. Beam hands groups of shards to its workers, wherever they are; within
one process threads share the rest, as TensorFlow and zlib let go of Python's lock while they
compute. Nothing is forked and nothing listens.
"""

import collections
import concurrent.futures
import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apache_beam as beam
import tensorflow as tf

from components import records
from components.errors import InputError

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BATCH_BYTES = 4 << 20
Item = TypeVar("Item")
Result = TypeVar("Result")


def files(uri: str) -> list[str]:
    """The shards of a split's folder, in the order of their numbers."""
    return sorted(tf.io.gfile.glob(os.path.join(uri, "[!.]*")))


def batches(path: str, size: int, *, most_bytes: int = BATCH_BYTES) -> Iterator[tf.Tensor]:
    """The serialized records of a shard, string [<= size] at a time, in order.

    A batch of more than `most_bytes` is cut further, so that long rows do not need memory for
    `size` of them; one record alone may be longer. Where it is cut depends on the records only.
    """
    for batch in records.dataset([path]).batch(size).prefetch(1):
        yield from _cut(batch, most_bytes)


def _cut(batch: tf.Tensor, most_bytes: int) -> Iterator[tf.Tensor]:
    sizes = tf.strings.length(batch).numpy()
    if sizes.sum(dtype="int64") <= most_bytes:
        yield batch
        return
    start = held = 0
    for row, size in enumerate(sizes.tolist()):
        if held and held + size > most_bytes:
            yield batch[start:row]
            start, held = row, 0
        held += size
    yield batch[start:]


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` of each item, in the items' order, computed on threads.

    At most `THREADS` results wait for the one that takes them, so memory does not grow with the
    number of items. All shards of a process share the threads. What `work` raises is raised here.
    """
    pool = _pool(THREADS)
    waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="shard-batches")


def each(
    make_pipeline: Callable[[], beam.Pipeline],
    paths: Sequence[str],
    work: Callable[[str], None],
    *,
    label: str,
    folder: str,
) -> None:
    """Run `work(path)` once for each shard, by one Beam pipeline.

    Args:
      make_pipeline: of the executor, `self._make_beam_pipeline`.
      paths: shards, which a Beam worker can open.
      work: leaves its result in a file that the caller knows how to find (a runner may be
        elsewhere). Can be pickled: a function of a module, or a `functools.partial` of one. A
        runner may repeat it; the same file is then written again.
      label: of the Beam step; unique in the pipeline.
      folder: for notes about bad input; a Beam worker can write there.

    Raises:
      InputError: what `work` raised, for all shards, in their order. Other exceptions arrive as
        Beam wraps them.
    """
    notes = os.path.join(folder, f"{label}.faults")
    if tf.io.gfile.exists(notes):
        tf.io.gfile.rmtree(notes)
    tf.io.gfile.makedirs(notes)
    numbered = list(enumerate(paths))
    groups = [numbered[start : start + THREADS] for start in range(0, len(numbered), THREADS)]
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | f"Shards[{label}]" >> beam.Create(groups)
            | f"Spread[{label}]" >> beam.Reshuffle()
            | f"Work[{label}]" >> beam.Map(_run_group, work, notes)
        )
    faults = [_read(note) for note in sorted(tf.io.gfile.glob(os.path.join(notes, "*")))]
    tf.io.gfile.rmtree(notes)
    if faults:
        raise InputError("\n".join(faults))


def _run_group(group: Sequence[tuple[int, str]], work: Callable[[str], None], notes: str) -> None:
    """The shards of a group, each on a thread of its own."""
    if len(group) == 1:
        _run(*group[0], work, notes)
        return
    with ThreadPoolExecutor(len(group), thread_name_prefix="shards") as pool:
        for done in [pool.submit(_run, index, path, work, notes) for index, path in group]:
            done.result()


def _run(index: int, path: str, work: Callable[[str], None], notes: str) -> None:
    """One shard; bad input is noted in a file, as Beam would wrap the message and show one only."""
    note = os.path.join(notes, f"{index:06d}.json")
    try:
        work(path)
    except InputError as error:
        with tf.io.gfile.GFile(note, "w") as stream:
            stream.write(json.dumps(str(error)))


def _read(note: str) -> str:
    with tf.io.gfile.GFile(note) as stream:
        return json.loads(stream.read())
