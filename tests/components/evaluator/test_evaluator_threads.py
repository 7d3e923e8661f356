"""Graphs that are run as they are written: on the threads that score, nowhere else, and never later."""

import threading
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf
from tensorflow.python.eager import context

from components.evaluator.scoring import graphs_as_written


def of_this_thread() -> bool:
    """Whether functions whose first call is on this thread are left as they are."""
    options = context.context().function_call_options.config_proto_serialized
    config = tf.compat.v1.ConfigProto.FromString(options)
    return config.graph_options.rewrite_options.disable_meta_optimizer


def of_the_process() -> bool:
    options = tf.config.optimizer.get_experimental_options()
    return options.get("disable_meta_optimizer", False)


def test_it_is_the_thread_that_scores_and_no_other() -> None:
    assert not of_the_process()
    assert not of_this_thread()
    meanwhile = []
    with ThreadPoolExecutor(1, initializer=graphs_as_written) as scoring:
        assert scoring.submit(of_this_thread).result()
        assert not scoring.submit(of_the_process).result()
        with ThreadPoolExecutor(1) as other:  # its first look at the options, while another scores
            meanwhile.append(other.submit(of_this_thread).result())
    assert meanwhile == [False]
    assert not of_this_thread()


def test_two_workers_that_score_at_once_leave_nothing_behind() -> None:
    """As with `beam.local.workers: 2`: one begins before the other ends."""
    both = threading.Barrier(2, timeout=60)

    def work(_: int) -> bool:
        with ThreadPoolExecutor(1, initializer=graphs_as_written) as scoring:
            scoring.submit(both.wait).result()
            return scoring.submit(of_this_thread).result()

    with ThreadPoolExecutor(2) as workers:
        assert list(workers.map(work, range(2))) == [True, True]
        assert list(workers.map(lambda _: of_this_thread(), range(8))) == [False] * 8
    assert not of_the_process()
    assert not of_this_thread()
