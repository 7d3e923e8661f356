"""What a Beam worker process imports before it unpickles anything: `--beam_plugin`; or what it runs.

TFX makes its older companions fit before it imports them. A worker that first unpickles a step of
TensorFlow Data Validation would import that alone.
"""

import signal
import sys

import tfx.components  # noqa: F401

if __name__ == "__main__":
    from apache_beam.runners.worker import sdk_worker_main

    # Ctrl-C is for the run: its workers end with its ports.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sdk_worker_main.main(sys.argv)
