"""The command line's parser: what is wrong with the arguments is told in one line, as all bad input is."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from components.errors import InputError

CONFIG = "pipeline_config.yaml"
_COMMAND = "COMMAND"
_SEEN = "options_seen"


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are `InputError`, and which takes an option's value once."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        for name in (None, "store"):
            self.register("action", name, _Once)

    def error(self, message: str) -> NoReturn:
        """Raise it; whoever has not even named a command is shown which there are.

        Raises:
          InputError: one line.
        """
        if _COMMAND in message:
            super().error(message)
        text = " ".join(message.removeprefix("argument ").split())
        raise InputError(f"{text}; see {self.prog} --help")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse's, but a command refuses what it does not know itself.

        Positionals may stand behind the options, too: Python 3.11 takes an optional one for left out where
        another one stands before them, and a list of them for ended.
        """
        found, left = super().parse_known_args(args, namespace)
        if not any(map(_is_option, left)):  # of which they may be values
            for action in self._actions:
                if not action.option_strings:
                    _take(action, found, left)
        if left and self._subparsers is None:
            self.error(self._unknown(next(filter(_is_option, left), left[0])))
        return found, left

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse's, whose words depend on Python's version."""
        is_command = isinstance(action, argparse._SubParsersAction)
        if action.choices is None or is_command or value in action.choices:
            super()._check_value(action, value)
            return
        expected = ", ".join(map(str, action.choices))
        raise argparse.ArgumentError(action, f"got {value!r}, expected one of {expected}")

    def _unknown(self, text: str) -> str:
        """What an argument is that nothing takes."""
        if not _is_option(text):
            return f"got {text!r}, expected no further argument"
        name = text.partition("=")[0]
        close = difflib.get_close_matches(name, self._option_string_actions, n=1)
        return f"{name}: no such option{f', did you mean {close[0]}?' if close else ''}"


def _is_option(text: str) -> bool:
    return text.startswith("-") and text != "-"  # that is standard input


def _take(action: argparse.Action, found: argparse.Namespace, left: list[str]) -> None:
    """Give a positional that has room for it what is left, which goes from there."""
    value: Any = getattr(found, action.dest, None)
    is_given = value is not action.default
    if action.nargs in ("*", "+"):
        setattr(found, action.dest, [*(value if is_given else ()), *left] or value)
        left.clear()
    elif left and action.nargs == "?" and not is_given:
        setattr(found, action.dest, left.pop(0))


def add_config(command: argparse.ArgumentParser) -> None:
    """--config, which most commands have."""
    command.add_argument("--config", default=CONFIG, help=f"configuration (default: {CONFIG})")


class _Once(argparse.Action):
    """Stores a value, as argparse does where nothing else is said, but only one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store.

        Raises:
          argparse.ArgumentError: the option was given before.
        """
        seen: set[str] = vars(namespace).setdefault(_SEEN, set())
        if option_string and self.dest in seen:
            raise argparse.ArgumentError(self, "given twice, expected one value")
        if option_string:
            seen.add(self.dest)
        setattr(namespace, self.dest, values)
