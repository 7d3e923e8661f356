"""FnApiRunner with workers that are processes: `--runner=components.beam_processes.Runner`."""

import shlex
import sys

from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.transforms import environments


class Runner(fn_runner.FnApiRunner):
    """As its `multi_processing` mode, which tells its workers no option, so that they import no plugin."""

    def __init__(self) -> None:
        """Say how a worker is started; `--direct_num_workers` says how many."""
        command = f"{shlex.quote(sys.executable)} -m components.beam_worker"
        worker = environments.SubprocessSDKEnvironment.from_command_string(command)
        super().__init__(default_environment=worker)
