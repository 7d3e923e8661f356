"""Cron expressions, checked before anything is sent: five fields, perhaps with a time zone before them."""

import re
import zoneinfo
from dataclasses import dataclass

from components.errors import InputError

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of a month
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.*)", re.DOTALL)
_PART = re.compile(r"(?:\*|([0-9A-Z]+)-([0-9A-Z]+))(?:/([0-9]+))?|([0-9A-Z]+)")


@dataclass(frozen=True)
class _Field:
    """One of the five: its name, range, and the names that stand for its numbers from `low` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What may stand here."""
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"*, */N, or {self.low}-{self.high}{named}, with commas and ranges"


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Cron:
    """A checked expression: its five fields, and the time zone, "" for the service's own (UTC)."""

    fields: tuple[str, ...]
    zone: str = ""

    @property
    def vertex(self) -> str:
        """As Vertex AI takes it."""
        zone = f"TZ={self.zone} " if self.zone else ""
        return zone + " ".join(self.fields)

    @property
    def kubeflow(self) -> str:
        """As Kubeflow takes it, whose first field are the seconds.

        Raises:
          InputError: it has a time zone, which there is one of the whole installation.
        """
        if self.zone:
            raise InputError(
                f"cron: got TZ={self.zone}, expected none: Kubeflow has one time zone for all "
                "(CRON_SCHEDULE_TIMEZONE of its deployment)"
            )
        return " ".join(("0", *self.fields))


def parse(text: str) -> Cron:
    """Read and check an expression such as `0 3 * * *` or `TZ=Europe/Berlin 0 3 * * 1-5`.

    Raises:
      InputError: it is none, or no day fits it; one line.
    """
    zone, rest = "", text.strip()
    if zoned := _ZONE.fullmatch(rest):
        zone, rest = zoned[1], zoned[2]
        _check_zone(zone, text)
    fields = rest.upper().split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(field.name for field in _FIELDS)
        got = f"cron: got {text!r} with {len(fields)} fields"
        raise InputError(f"{got}, expected five: {names}; TZ=ZONE may come before them")
    values = [_values(part, field, text) for part, field in zip(fields, _FIELDS, strict=True)]
    _check_some_day(values, fields, text)
    return Cron(tuple(fields), zone)


def _check_zone(zone: str, text: str) -> None:
    known = zoneinfo.available_timezones()
    if known and zone not in known:  # a machine may have no list of them
        raise InputError(
            f"cron: got the time zone {zone!r} in {text!r}, expected one of IANA's, such as "
            "Europe/Berlin"
        )


def _values(text: str, field: _Field, whole: str) -> set[int]:
    """The numbers that a field stands for."""
    found: set[int] = set()
    for part in text.split(","):
        matched = _PART.fullmatch(part)
        bounds = matched and _bounds(matched, field)
        step = int(matched[3] or 1) if matched else 0
        if not bounds or not step:
            raise InputError(
                f"cron: {field.name}: got {text!r} in {whole!r}, expected {field.expected}"
            )
        found.update(range(bounds[0], bounds[1] + 1, step))
    return found


def _bounds(matched: re.Match[str], field: _Field) -> tuple[int, int] | None:
    """First and last number of a part; None where it is wrong."""
    if matched[0].startswith("*"):
        return field.low, field.high
    first = _number(matched[1] or matched[4], field)
    last = _number(matched[2] or matched[4], field)
    return (first, last) if first is not None and last is not None and first <= last else None


def _number(text: str, field: _Field) -> int | None:
    if text in field.names:
        return field.low + field.names.index(text)
    number = int(text) if text.isascii() and text.isdigit() else -1
    return number if field.low <= number <= field.high else None


def _check_some_day(values: list[set[int]], fields: list[str], text: str) -> None:
    """Refuse what never comes, such as 31 February; with a day of week too, either of them does."""
    _, _, days, months, _ = values
    if fields[4] == "*" and all(min(days) > _LONGEST[month - 1] for month in months):
        raise InputError(f"cron: got {text!r}, which no day fits, expected one that comes")
