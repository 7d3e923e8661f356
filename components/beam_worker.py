"""What a Beam worker process imports before it unpickles anything: `--beam_plugin`; or what it runs.

TFX makes its older companions fit before it imports them. A worker that first unpickles a step of
TensorFlow Data Validation would import that alone.
"""

import os
import signal
import sys
import threading
import time

import tfx.components  # noqa: F401

_LOOK_SECONDS = 0.5


def _end_with(parent: int) -> None:
    """Wait for the end of the process that started this one.

    A worker that outlives a killed run would go on writing where the next run writes.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    from apache_beam.runners.worker import sdk_worker_main

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends its workers
    threading.Thread(target=_end_with, args=[int(sys.argv[1])], daemon=True).start()
    sdk_worker_main.main(sys.argv)
