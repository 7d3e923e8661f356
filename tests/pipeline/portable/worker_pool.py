"""A process of its own that does Beam's work over the portable protocol, until its standard input ends.

What it is sent is all it has: it has imported nothing of ours, and stands in an empty folder.
"""

import os
import sys

from apache_beam.runners.worker import worker_pool_main

if __name__ == "__main__":
    address, _ = worker_pool_main.BeamFnExternalWorkerPoolServicer.start(use_process=False)
    print(address, flush=True)
    sys.stdin.read()
    # What it loaded for the jobs, so that a test can see that the work was done here.
    ours = sorted(name for name in sys.modules if name.split(".")[0] in ("components", "pipeline"))
    print(*ours, flush=True)
    os._exit(0)  # Beam's threads would go on
