"""What Google's clients raise, as one line for the user."""

import contextlib
from collections.abc import Iterator

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from components.errors import InputError, Passing

_LONGEST = 400
_OUT_OF_REACH = (
    api.ServerError,
    api.TooManyRequests,
    api.RetryError,
    auth.TransportError,
    requests.exceptions.RequestException,
)
_LOG_IN = "expected credentials: `gcloud auth application-default login`, or a service account's"
_ADVICE = {
    401: _LOG_IN,
    403: "expected an account that may do this: roles/aiplatform.user, and "
    "roles/iam.serviceAccountUser for the job's service account",
    404: "expected one that exists; check cloud.project and cloud.region",
}


@contextlib.contextmanager
def one_line(where: str) -> Iterator[None]:
    """Make one line of what a call of Google's client raises.

    Args:
      where: what was called, and for which project.

    Raises:
      Passing: the service is out of reach, or over its quota: the same call may succeed later.
      InputError: anything else that the service or the client refuses.
    """
    try:
        yield
    except _OUT_OF_REACH as error:
        raise Passing(f"{where}: {_first(error)}; it may be tried again") from error
    except api.GoogleAPICallError as error:
        advice = _ADVICE.get(int(error.code or 0), "")
        raise InputError(f"{where}: {_first(error)}{'; ' * bool(advice)}{advice}") from error
    except auth.DefaultCredentialsError as error:
        raise InputError(f"{where}: no credentials found, {_LOG_IN}") from error
    except auth.GoogleAuthError as error:
        raise InputError(f"{where}: {_first(error)}; {_LOG_IN}") from error


def is_not_found(error: InputError) -> bool:
    """Whether `one_line` made it of what says that there is no such thing."""
    return isinstance(error.__cause__, api.NotFound)


def is_out_of_reach(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    return isinstance(error, _OUT_OF_REACH)


def _first(error: BaseException) -> str:
    """An error's text on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
