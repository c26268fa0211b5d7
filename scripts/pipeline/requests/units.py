"""Units of numbers: "2 hours" of a property in minutes is 120, "half a kilo" of one in grams 500.

What people say for units stands in config/reading.json; the unit of a property is said in its name ("duration_minutes")
or in its description ("in minutes").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.requests.calendar import in_digits, numbers_said
from pipeline.requests.reading import LEFT_ALONE, any_of, folded, lowered, parts_of_units, said_for_units
from pipeline.schemas.dsl import operators
from pipeline.schemas.names import words_of

DIGITS = r"\d(?:[\d.,]*\d)?"
SIZES = {
    "second": ("time", "1"), "minute": ("time", "60"), "hour": ("time", "3600"), "day": ("time", "86400"),
    "week": ("time", "604800"), "month": ("months", "1"), "year": ("months", "12"), "gram": ("mass", "1"),
    "kilogram": ("mass", "1000"), "millimetre": ("length", "1"), "centimetre": ("length", "10"),
    "metre": ("length", "1000"), "kilometre": ("length", "1000000"), "millilitre": ("volume", "1"),
    "centilitre": ("volume", "10"), "litre": ("volume", "1000"),
}  # fmt: skip
"""Unit -> what it measures, and how many of the smallest one it is."""
SHORTEST_REMARKED = 3
"""Letters of the shortest units that descriptions say: "in min" is one, "a" and "l" are words."""
LONGEST = 15
"""Digits of the longest number that is told in another unit."""
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}")
DECIMAL_COMMA = re.compile(r"(\d+),(\d+)")


class Measure(NamedTuple):
    """A number and its unit in a request: where the number begins and ends, where the unit ends, how many of the
    smallest unit of its kind it is, and the unit, "one" where it measures nothing."""

    start: int
    number_end: int
    end: int
    size: Decimal
    unit: str


def plain(number: str) -> str:
    """A number as JSON writes it: "two" -> "2", "1,250.00" -> "1250.00", "12,5" -> "12.5"."""
    number = in_digits(number)
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    if THOUSANDS.fullmatch(digits):
        point = max(digits.rfind("."), digits.rfind(","))
        whole = not re.search(r"[.,]\d{3}$", digits)  # behind the last sign stand no thousands
        digits = re.sub("[.,]", "", digits[:point]) + "." + digits[point + 1 :] if whole else re.sub("[.,]", "", digits)
    elif comma := DECIMAL_COMMA.fullmatch(digits):
        digits = f"{comma[1]}.{comma[2]}"
    return sign + digits


@cache
def _unit_of_word() -> dict[str, str]:
    return {folded(word): unit for unit, words in said_for_units().items() for word in words}


@cache
def _said() -> re.Pattern[str]:
    """A number with a unit behind it, hours and minutes ("1h30"), or a part of a unit ("half an hour")."""
    words = sorted((word for said in said_for_units().values() for word in said), key=len, reverse=True)
    unit = rf"(?P<unit>{'|'.join(map(re.escape, words))})(?!\w)"
    parts = "|".join(map(re.escape, sorted(parts_of_units(), key=len, reverse=True)))
    number = rf"(?<![\w.,:/-])(?P<number>-?{DIGITS}|{numbers_said()})"
    return re.compile(
        rf"{LEFT_ALONE}|(?<![\w.,:/-])(?P<hours>\d{{1,2}})h(?P<minutes>[0-5]\d)(?!\w)|{number}[\s-]?{unit}"
        rf"|(?<!\w)(?P<part>{parts})\s?{unit.replace('<unit>', '<of>')}",
        re.IGNORECASE,
    )


@cache
def _joint() -> re.Pattern[str]:
    return re.compile(rf"\s*(?:,|(?<!\w)(?:{any_of('and')}))?\s*", re.IGNORECASE)


def measures_in(request: str) -> Iterator[Measure]:
    """Those of a request, but for what is quoted or in brackets; what follows of the same kind and is smaller is added:
    "1 hour and 30 minutes"."""
    last: Measure | None = None
    for found in _said().finditer(request):
        one = _measure(found)
        if one is None:
            continue
        if last and _joint().fullmatch(request, last.end, one.start) and _goes_on(last.unit, one.unit):
            last = last._replace(end=one.end, size=last.size + one.size, unit=one.unit)
            continue
        if last:
            yield last
        last = one
    if last:
        yield last


def _goes_on(unit: str, smaller: str) -> bool:
    """Whether a second unit measures the same and is smaller."""
    (kind, size), (other, less) = SIZES.get(unit, ("", "0")), SIZES.get(smaller, ("one", "0"))
    return kind == other and Decimal(less) < Decimal(size)


def _measure(found: re.Match[str]) -> Measure | None:
    if found["hours"]:
        size = Decimal(found["hours"]) * 3600 + Decimal(found["minutes"]) * 60
        return Measure(found.start(), found.end("hours"), found.end(), size, "minute")
    said = found["unit"] or found["of"]
    if not said:
        return None
    unit = _unit_of_word().get(folded(said), "one")  # a letter may be one of other case alone: "5 \u017fec"
    number = plain(found["number"]) if found["number"] else str(parts_of_units()[lowered(found["part"])])
    try:
        size = Decimal(number) * Decimal(SIZES.get(unit, ("one", "1"))[1])
    except ArithmeticError:  # "1.2.3 kg"
        return None
    if len(number) > LONGEST:
        return None
    return Measure(found.start(), found.end("number" if found["number"] else "part"), found.end(), size, unit)


@lru_cache(maxsize=1 << 10)
def unit_of(name: str, remarks: str) -> str | None:
    """The unit of a property with this name and description, or None: that of its name, else the only one that the
    description says."""
    bounds = {alias for entry in operators().values() for alias in entry.aliases}  # "age_min" is in no minutes
    of_word = {word: unit for word, unit in _unit_of_word().items() if unit in SIZES}
    named = [of_word[word] for word in folded(words_of(name)).split() if word in of_word and word not in bounds]
    if named:
        return named[-1]
    said = re.findall(r"[^\W\d_]+", folded(remarks))
    found = {of_word[word] for word in said if len(word) >= SHORTEST_REMARKED and word in of_word}
    return found.pop() if len(found) == 1 else None


def in_unit(measure: Measure, unit: str | None, whole: bool) -> str | None:
    """A measure as a number of this unit, or None where it measures something else, or is no whole number of a property
    that takes `whole` ones."""
    if unit is None or measure.unit not in SIZES or SIZES[measure.unit][0] != SIZES[unit][0]:
        return None
    value = (measure.size / Decimal(SIZES[unit][1])).quantize(Decimal("0.000001")).normalize()
    if value == value.to_integral_value():
        return str(int(value))
    return None if whole else f"{value:f}"


def measured(words: str, unit: str | None, whole: bool) -> str | None:
    """What is said of a property of this unit, where it is a measure and nothing else: "2 hours" -> "120"."""
    found = list(measures_in(words))
    if len(found) != 1 or words.strip(" .") != words[found[0].start : found[0].end]:
        return None
    return in_unit(found[0], unit, whole)
