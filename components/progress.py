"""How a component says where it is: through Python's logging, so that any runner can show it.

The local runner rewrites one terminal line; a container's log gets a line each time.
"""

import logging

LOGGER = logging.getLogger("tokenline.progress")
STAYS = "stays"  # the attribute of a log record that is not replaced by the next


def update(text: str) -> None:
    """Say where the running component is now; the next update replaces this one on a terminal."""
    LOGGER.info(text)


def result(text: str) -> None:
    """Say what came out of the running component; it stays, however fast the component was."""
    LOGGER.info(text, extra={STAYS: True})
