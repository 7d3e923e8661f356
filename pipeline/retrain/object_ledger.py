"""The ledger as one object of an object store: replaced as a whole, if nobody else has replaced it since."""

import time

from components import conditional
from components.errors import InputError
from pipeline.retrain import documents
from pipeline.retrain.states import State


class ObjectLedger:
    """See `ledger.Ledger`."""

    def __init__(self, address: str, *, sleep: conditional.Sleep = time.sleep) -> None:
        """
        Args:
          address: of the object, made by the first save.
          sleep: between attempts, where the store is out of reach.
        """
        self._address = address
        self._sleep = sleep

    def load(self) -> tuple[State, str]:
        """The state and its token.

        Raises:
          Passing: the store is out of reach.
          InputError: the object is not readable, damaged, or a newer tokenline wrote it.
        """
        found = conditional.read(self._address, sleep=self._sleep)
        if found.content is None:
            return State(), found.token
        try:
            text = found.content.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self._address}: is damaged: {error.reason}") from None
        return documents.from_text(text, self._address), found.token

    def save(self, state: State, token: str) -> bool:
        """Replace the state that has this token; False if it is not the present one.

        Raises:
          Passing: the store is out of reach, and whether it was replaced is not known: `load` tells.
          InputError: it refuses.
        """
        content = documents.as_text(state).encode()
        written = conditional.write(self._address, content, token, sleep=self._sleep)
        return written is not None
