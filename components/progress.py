"""How a component says where it is: through Python's logging, so that any runner can show it.

The local runner rewrites one terminal line; a container's log gets a line each time.
"""

import logging

LOGGER = logging.getLogger("tokenline.progress")


def update(text: str) -> None:
    """Say where the running component is now; the next update replaces this one on a terminal."""
    LOGGER.info(text)
