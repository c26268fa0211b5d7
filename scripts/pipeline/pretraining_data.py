"""Procedural documents that teach the embedded base to copy, to look up and to read a schema.

Nothing here is a sentence of the embedded teacher or a name of a shipped domain: words are made of syllables, requests
are in a controlled language of symbols and made-up words. What the base learns is where to look; SFT teaches the task.

A document is rows of (prompt text, completion text) that share a long beginning, or rows of token ids for the
sequences that teach induction (in-context copying, Olsson et al. 2022, arXiv 2209.11895).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipeline.calendar import periods, render_calendar
from pipeline.dsl import SchemaField, answer_schema, operators, operators_for, program, refusal
from pipeline.prompts import minify, render_content

ONSETS = ("", "b", "c", "d", "f", "g", "h", "j", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "w", "z") + (
    "br", "ch", "cl", "cr", "dr", "fl", "fr", "gr", "pl", "pr", "sh", "sp", "st", "th", "tr", "ph", "gn",
)  # fmt: skip
NUCLEI = (
    "a",
    "a",
    "a",
    "e",
    "e",
    "e",
    "i",
    "i",
    "o",
    "o",
    "u",
    "u",
    "y",
    "ai",
    "au",
    "ea",
    "ee",
    "ei",
    "eu",
    "ie",
    "io",
    "oo",
    "ou",
    "oi",
    "ue",
)
ACCENTED = ("\u00e9", "\u00e8", "\u00ea", "\u00e0", "\u00e2", "\u00ee", "\u00f4", "\u00fb", "\u00e7a", "\u0153")
CODAS = ("", "", "", "b", "c", "ck", "d", "g", "l", "ll", "m", "n", "p", "r", "s", "ss", "t", "x", "y", "nd", "nt") + (
    "ng", "rd", "rt", "st", "mp", "nce", "re", "le", "te", "ne", "que", "tion", "ment", "er", "ing", "ed", "es", "al",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MONTHS = {
    "en": [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
    "fr": [
        "janvier",
        "f\u00e9vrier",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "ao\u00fbt",
        "septembre",
        "octobre",
        "novembre",
        "d\u00e9cembre",
    ],
}
SYMBOLS = {
    "equals": ("=", "=="), "not_equals": ("!=", "<>"), "contains": ("~", "*"), "starts_with": ("^", "|="),
    "in": ("=", "=="), "not_in": ("!=", "<>"), "greater": (">",), "at_least": (">=", "=>"), "less": ("<",),
    "at_most": ("<=", "=<"), "between": ("..", "="), "on": ("=", "@"), "before": ("<",), "after": (">",),
}  # fmt: skip


@dataclass
class Document:
    """Rows of (prompt, completion); `chat` says whether they stand in the chat template's turns."""

    rows: list[tuple[str, str]]
    chat: bool = True


class Words:
    """Made-up words, each drawn once for a document."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.used: set[str] = set()

    def _draw(self, accents: float) -> str:
        rng = self.rng
        if rng.random() < 0.1:
            return "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 6)))
        parts = []
        for _ in range(rng.choice((1, 1, 2, 2, 2, 3))):
            nucleus = rng.choice(ACCENTED) if rng.random() < accents else rng.choice(NUCLEI)
            coda = rng.choice(CODAS) if rng.random() < 0.35 else ""
            parts.append(rng.choice(ONSETS) + nucleus + coda)
        return "".join(parts)[:10]

    def word(self, accents: float = 0.0) -> str:
        """A new word; `accents` is the share of syllables with an accented letter."""
        while True:
            word = self._draw(accents)
            if len(word) > 1 and word not in self.used:
                self.used.add(word)
                return word

    def phrase(self, accents: float = 0.0) -> str:
        """One to three new words."""
        return " ".join(self.word(accents) for _ in range(self.rng.choice((1, 1, 1, 1, 2, 2, 3))))


def _pseudo_language(seed: int = 7) -> dict[str, tuple[str, ...]]:
    """A fixed made-up phrase book: canonical operator -> phrases, so that aliases are met by meaning as well."""
    words = Words(random.Random(seed))
    return {name: tuple(words.phrase() for _ in range(4)) for name in operators()}


PSEUDO = _pseudo_language()
_glue = Words(random.Random(8))
GLUE = tuple(_glue.word() for _ in range(16))
"""Made-up words that mean nothing: a request may have them anywhere inside a condition."""


def name_in_style(phrase: str, style: str) -> str:
    """A phrase as a name: snake, camel, pascal, kebab, upper or flat."""
    words = phrase.split()
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if style == "pascal":
        return "".join(word.capitalize() for word in words)
    if style == "upper":
        return "_".join(words).upper()
    return {"snake": "_", "kebab": "-", "flat": ""}[style].join(words)


STYLES = ("snake", "snake", "camel", "kebab", "pascal", "upper", "flat")


@dataclass
class _Field:
    spec: SchemaField
    phrases: tuple[str, ...]
    value_phrases: dict[str, tuple[str, ...]]


def _alias(rng: random.Random, words: Words, canonical: str, made_up: bool) -> str:
    return words.word() if made_up else rng.choice(operators()[canonical].aliases)


def _field(rng: random.Random, words: Words, style: str, made_up_aliases: bool) -> _Field:
    kind = rng.choice(("enum", "enum", "enum", "text", "integer", "number", "boolean", "date"))
    phrase, other = words.phrase(), words.phrase(accents=0.15)
    described = rng.random()
    name = name_in_style(phrase if rng.random() < 0.8 else words.phrase(), style)
    description = f"{phrase}, {other}" if described < 0.75 else phrase
    phrases = (phrase, other) if described < 0.75 else (phrase,)
    values: tuple[str, ...] = ()
    hints: dict[str, str] = {}
    value_phrases: dict[str, tuple[str, ...]] = {}
    if kind == "enum":
        value_style = rng.choice(STYLES)
        for _ in range(rng.choice((2, 2, 3, 3, 4, 5))):
            said, said_other = words.phrase(), words.phrase(accents=0.15)
            value = name_in_style(said, value_style)
            values += (value,)
            if rng.random() < 0.8:
                hints[said_other] = value
                value_phrases[value] = (said, said_other, value)
            else:
                value_phrases[value] = (said, value)
    elif kind == "boolean" and rng.random() < 0.7:
        for value in ("true", "false"):
            said, said_other = words.phrase(), words.phrase(accents=0.15)
            hints |= {said: value, said_other: value}
            value_phrases[value] = (said, said_other, value)
    possible = operators_for(kind)
    chosen = rng.sample(possible, rng.randint(1, min(4, len(possible))))
    chosen.sort(key=lambda operator: list(operators()).index(operator.name))
    aliases: dict[str, str] = {}
    for operator in chosen:
        alias = _alias(rng, words, operator.name, made_up_aliases)
        if alias not in aliases.values():
            aliases[operator.name] = alias
    spec = SchemaField(name, kind, aliases, description, values, hints)
    return _Field(spec, phrases, value_phrases)


def _number(rng: random.Random, kind: str) -> tuple[str, Any]:
    integer = rng.randrange(10 ** rng.randint(1, 5))
    if kind == "integer" or rng.random() < 0.4:
        return str(integer), integer
    value = round(integer / rng.choice((1, 10, 100)) + rng.randrange(100) / 100, rng.choice((1, 2)))
    text = str(value)
    return (text.replace(".", ",") if rng.random() < 0.4 else text), value


def _day(rng: random.Random) -> date:
    return date(2020, 1, 1) + timedelta(days=rng.randrange(3650))


def say_day(rng: random.Random, day: date) -> str:
    """A date as ISO, as `3/4/2024` (day first), or with the month's name."""
    form = rng.random()
    if form < 0.35:
        return day.isoformat()
    if form < 0.5:
        return f"{day.day:02d}/{day.month:02d}/{day.year}"
    return f"{day.day} {MONTHS[rng.choice(('en', 'fr'))][day.month - 1]} {day.year}"


def _value(rng: random.Random, words: Words, entry: _Field) -> tuple[str, Any]:
    """How a value of the field is said, and the value."""
    kind = entry.spec.type
    if kind == "enum":
        value = rng.choice(entry.spec.values)
        return rng.choice(entry.value_phrases[value]), value
    if kind == "boolean":
        value = rng.choice(("true", "false"))
        return rng.choice(entry.value_phrases.get(value, (value,))), value == "true"
    if kind == "text":
        text = words.phrase(accents=0.05)
        return f'"{text}"', text
    if kind == "date":
        day = _day(rng)
        return say_day(rng, day), day.isoformat()
    return _number(rng, kind)


def _operator_phrase(rng: random.Random, canonical: str, alias: str, made_up: bool) -> str:
    if made_up:
        return alias
    draw = rng.random()
    if draw < 0.4:
        return rng.choice(SYMBOLS[canonical])
    return rng.choice(PSEUDO[canonical]) if draw < 0.85 else alias


def _condition(rng: random.Random, words: Words, entry: _Field, made_up: bool) -> tuple[str, dict[str, Any]]:
    canonical, alias = rng.choice(list(entry.spec.operators.items()))
    shape = operators()[canonical].shape
    phrase = rng.choice(entry.phrases)
    if shape == "one":
        said, value = _value(rng, words, entry)
    elif shape == "list":
        drawn: dict[Any, str] = {}
        for _ in range(rng.randint(2, 3)):
            text, item = _value(rng, words, entry)
            drawn.setdefault(item, text)
        value, said = list(drawn), rng.choice((" / ", " | ", ", ")).join(drawn.values())
    else:
        low, high = sorted((_number(rng, entry.spec.type) for _ in range(2)), key=lambda pair: pair[1])
        value, said = [low[1], high[1]], low[0] + rng.choice((" .. ", " - ", " : ")) + high[0]
    operator = _operator_phrase(rng, canonical, alias, made_up)
    if rng.random() < 0.3:
        phrase = f"{rng.choice(GLUE)} {phrase}"
    if rng.random() < 0.15:
        operator = f"{rng.choice(GLUE)} {operator}"
    form = rng.random()
    if form < 0.75:
        text = f"{phrase} {operator} {said}"
    elif form < 0.9:
        text = f"{operator} {phrase} {said}"
    else:
        text = f"{said} {operator} {phrase}"
    return text, {"field": entry.spec.name, "operator": alias, "value": value}


def _calendar(rng: random.Random, words: Words, most: int | None = None) -> tuple[dict[str, tuple[date, date]], str]:
    """A calendar like a prompt's, its names made up: (name -> period, the line)."""
    today = _day(rng)
    known = list(periods(today).values())
    shown = known[:1] + rng.sample(known[1:], rng.randint(min(2, most or 2), most or len(known) - 1))
    named = {words.word(): period for period in shown}
    return named, render_calendar(named)


def _timeframe(rng: random.Random, named: dict[str, tuple[date, date]]) -> tuple[str, tuple[str, str]]:
    today = next(iter(named.values()))[1]
    if rng.random() < 0.6:
        label, (start, end) = rng.choice(list(named.items()))
        return f"@ {label}", (start.isoformat(), end.isoformat())
    start = _day(rng)
    if rng.random() < 0.4:
        return f"@ {say_day(rng, start)} >", (start.isoformat(), max(start, today).isoformat())
    end = start + timedelta(days=rng.randrange(1, 400))
    return f"@ {say_day(rng, start)} > {say_day(rng, end)}", (start.isoformat(), end.isoformat())


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3])


def _refusal(rng: random.Random, words: Words, fields: list[_Field]) -> tuple[str, dict[str, Any]]:
    """A condition that the schema cannot express, and the refusal."""
    entry = rng.choice(fields)
    enums = [f for f in fields if f.spec.type == "enum"]
    if enums and rng.random() < 0.45:
        entry = rng.choice(enums)
        said = words.phrase()
        canonical = next(iter(entry.spec.operators))
        operator = rng.choice(SYMBOLS[canonical] + PSEUDO[canonical])
        text = f"{rng.choice(entry.phrases)} {operator} {said}"
        return text, refusal(f"value {said}", _listed(list(entry.spec.values)))
    said = words.phrase()
    canonical = rng.choice(list(operators()))
    value = rng.choice((words.phrase(), _number(rng, "integer")[0], f'"{words.phrase()}"'))
    text = f"{said} {rng.choice(SYMBOLS[canonical] + PSEUDO[canonical])} {value}"
    return text, refusal(f"field {said}", _listed([f.spec.name for f in fields]))


def schema_document(rng: random.Random, rows: int, size: tuple[int, int] = (2, 4), *, simple: bool = False) -> Document:
    """A schema in the shipped form over `size` fields, and requests for it in the controlled language.

    `simple` requests have one condition, no time and no filler, and the calendar is short.
    """
    words = Words(rng)
    made_up = rng.random() < 0.35
    style = rng.choice(STYLES)
    fields = [_field(rng, words, style, made_up) for _ in range(rng.randint(*size))]
    schema = answer_schema([entry.spec for entry in fields])
    named, calendar = _calendar(rng, words)
    seen_words = set(words.used)
    rng.choice((1, 1, 2, 2, 3))
    result = []
    for _ in range(rows):
        row_words = Words(rng)
        row_words.used = set(seen_words)
        filler = lambda w=row_words: w.phrase() + " " if not simple and rng.random() < 0.3 else ""
        and_, then = rng.choice((" & ", ", ", " + ", " ke ")), rng.choice((" > ", " ; ", " | ", " dwo "))
        refused = rng.random() < 0.12
        said_steps, steps = [], []
        for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3))):
            entries = rng.sample(fields, min(rng.choice((1, 1, 2, 2, 3)), len(fields)))
            pairs = [_condition(rng, row_words, entry, made_up) for entry in entries]
            said_steps.append([pair[0] for pair in pairs])
            steps.append([pair[1] for pair in pairs])
        ast = program(steps)
        if refused:
            bad, ast = _refusal(rng, row_words, fields)
            step = rng.choice(said_steps)
            step[rng.randrange(len(step))] = bad
        text = filler() + then.join(and_.join(step) for step in said_steps)
        if not simple and rng.random() < 0.35:
            said, timeframe = _timeframe(rng, named)
            text = f"{said} {text}" if rng.random() < 0.3 else f"{text} {said}"
            if not refused:
                ast = program(steps, timeframe)
        if not simple and rng.random() < 0.2:
            text = text + " " + row_words.phrase()
        result.append((render_content(schema, text, calendar), minify(ast)))
    return Document(result)


def recall_document(rng: random.Random, rows: int, size: tuple[int, int] = (4, 24)) -> Document:
    """Pairs in one of several notations; each row asks for the other side of one of them."""
    words = Words(rng)
    pairs = {words.phrase(0.05): words.phrase(0.05) for _ in range(rng.randint(*size))}
    form = rng.random()
    if form < 0.4:
        text = minify({key.replace(" ", "_"): value for key, value in pairs.items()})
    elif form < 0.7:
        text = ", ".join(f"{key}: {value}" for key, value in pairs.items())
    else:
        text = minify([{"const": value, "description": key} for key, value in pairs.items()])
    asked = rng.sample(list(pairs), min(rows, len(pairs)))
    backwards = rng.random() < 0.3
    result = []
    for key in asked:
        shown = key.replace(" ", "_") if form < 0.4 else key
        question, answer = (pairs[key], shown) if backwards else (shown, pairs[key])
        result.append((f"{text}\n? {question}", answer))
    return Document(result)


def _shape(rng: random.Random, words: Words, depth: int, style: str) -> tuple[dict[str, Any], Callable[[], Any]]:
    """A random JSON Schema and a function that draws an instance of it."""
    kind = rng.choice(("enum", "text", "integer", "boolean", "date", "list", "object", "object"))
    if kind == "object" and depth > 0:
        parts = {}
        for _ in range(rng.randint(1, 4)):
            name = name_in_style(words.phrase(), style)
            parts[name] = (*_shape(rng, words, depth - 1, style), rng.random() < 0.7)
        schema: dict[str, Any] = {"type": "object", "properties": {name: part[0] for name, part in parts.items()}}
        schema["required"] = [name for name, part in parts.items() if part[2]]
        schema["additionalProperties"] = False
        return schema, lambda: {n: draw() for n, (_, draw, need) in parts.items() if need or rng.random() < 0.5}
    if kind == "list" and depth > 0:
        item, draw = _shape(rng, words, depth - 1, style)
        return {"type": "array", "items": item}, lambda: [draw() for _ in range(rng.randint(1, 3))]
    if kind == "enum":
        values = [words.word() for _ in range(rng.randint(2, 4))]
        return {"enum": values}, lambda: rng.choice(values)
    if kind == "integer":
        return {"type": "integer"}, lambda: _number(rng, "integer")[1]
    if kind == "boolean":
        return {"type": "boolean"}, lambda: rng.random() < 0.5
    if kind == "date":
        return {"type": "string", "format": "date"}, lambda: _day(rng).isoformat()
    return {"type": "string"}, lambda: Words(rng).phrase(0.05)


def _say_instance(rng: random.Random, value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        inner = ", ".join(_say_instance(rng, part, key) for key, part in value.items())
        return f"{name} ({inner})" if name else inner
    if isinstance(value, list):
        return f"{name} [" + "; ".join(_say_instance(rng, part) for part in value) + "]"
    said = minify(value) if isinstance(value, bool | int) or rng.random() < 0.3 else str(value)
    return f"{name} {said}".strip()


def instance_document(rng: random.Random, rows: int) -> Document:
    """A closed schema of any shape; each row says an instance and its answer writes it."""
    words = Words(rng)
    style = rng.choice(STYLES)
    while True:
        schema, draw = _shape(rng, words, rng.choice((1, 2, 2, 3)), style)
        if schema.get("type") == "object":
            break
    _, calendar = _calendar(rng, words)
    result = []
    for _ in range(rows):
        instance = draw()
        result.append((render_content(schema, _say_instance(rng, instance), calendar), minify(instance)))
    return Document(result)


def date_document(rng: random.Random, rows: int) -> Document:
    """Dates in words to ISO dates."""
    days = [_day(rng) for _ in range(rows)]
    return Document([(f"? {say_day(rng, day)}", day.isoformat()) for day in days], chat=True)


def repeat_rows(
    rng: random.Random, tokens: int, rows: int, period: tuple[int, int], length: int
) -> list[tuple[list[int], int]]:
    """Random token ids below `tokens` repeated with a period: rows of (offsets, first supervised position)."""
    result = []
    for _ in range(rows):
        size = rng.randint(*period)
        unit = [rng.randrange(tokens) for _ in range(size)]
        result.append(((unit * (length // size + 1))[:length], size + 1))
    return result


def gap_rows(rng: random.Random, tokens: int, rows: int, length: int) -> list[tuple[list[int], int]]:
    """A segment, noise, and the segment again at the end: copying over a distance."""
    result = []
    for _ in range(rows):
        size = rng.randint(length // 4, 2 * length // 5)
        unit = [rng.randrange(tokens) for _ in range(size)]
        noise = [rng.randrange(tokens) for _ in range(length - 2 * size)]
        cut = rng.randint(0, len(noise))
        row = noise[:cut] + unit + noise[cut:] + unit
        result.append((row, len(row) - size + 1))
    return result
