"""The most bytes of tensors alive at once, from TensorFlow's own log of its allocations.

TensorFlow's allocator tells how much is in use too, but it counts blocks, and hands out blocks of up
to twice the size that was asked for: which, differs from run to run. What a computation holds is
the tensors. `ENVIRONMENT` makes a process write each allocation to its standard error.
"""

import re
from collections.abc import Iterable

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "log_memory=2"}

_EVENT = re.compile(r"MemoryLog(Tensor|Raw)(Allocation|Deallocation) .*?allocation_id: (\d+)")
_SIZE = re.compile(r"(?:num_bytes|requested_bytes): (\d+)")


class Tensors:
    """Those alive after the lines read so far, by allocation id, and the most at once."""

    def __init__(self) -> None:
        self._alive: dict[str, int] = {}
        self.now = 0
        self.peak = 0

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            event = _EVENT.search(line)
            if event is None:
                continue
            number = event[3]
            if event[2] == "Deallocation":
                self.now -= self._alive.pop(number, 0)
            elif number not in self._alive and (size := _SIZE.search(line)):
                # An output is logged again by each op that passes it on.
                self._alive[number] = int(size[1])
                self.now += int(size[1])
                self.peak = max(self.peak, self.now)

    def forget_peak(self) -> None:
        self.peak = self.now
