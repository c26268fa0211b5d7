"""Procedural documents that teach the embedded base to copy, to look up and to read a schema.

Nothing here is a sentence of the embedded teacher or a name of a shipped domain: words are made of syllables or letters,
requests are in a controlled language of symbols and made-up words. What the base learns is where to look; SFT teaches the task.

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
from pipeline.dsl import (
    SchemaField,
    answer_schema,
    condition_branches,
    describe,
    operators,
    operators_for,
    program,
    refusal,
)
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
ACCENTED = ("\u00e9", "\u00e8", "\u00ea", "\u00e0", "\u00e2", "\u00ee", "\u00f4", "\u00fb", "\u00e7a", "\u0153") + (
    "\u00f9", "\u00eb", "\u00ef",
)  # fmt: skip
CODAS = ("", "", "", "b", "c", "ck", "d", "g", "l", "ll", "m", "n", "p", "r", "s", "ss", "t", "x", "y", "nd", "nt") + (
    "ng", "rd", "rt", "st", "mp", "nce", "re", "le", "te", "ne", "que", "tion", "ment", "er", "ing", "ed", "es", "al",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
COMMON = "etaoinsrhldcumfpgwybvk"
"""Letters by how common they are in English, the rarest left out: what is drawn has the pieces of words in it."""
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
    """Made-up words, each drawn once for a document.

    A phrase has `longest` at most. Half of the `varied` ones are drawn from `pieces` in place of syllables, so that every
    token of the vocabulary is met: syllables alone hardly showed a tenth of the tokens of real words.
    """

    pieces: tuple[str, ...] = ()
    """What a tokenizer splits words into, in lower case; set once by whoever has a tokenizer."""

    def __init__(self, rng: random.Random, longest: int = 3, *, varied: bool = True) -> None:
        self.rng, self.longest, self.varied = rng, longest, varied
        self.used: set[str] = set()

    def _draw(self, accents: float) -> str:
        rng = self.rng
        if rng.random() < 0.1:
            return "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 6)))
        if self.varied and rng.random() < 0.08:
            return "".join(COMMON[min(int(rng.expovariate(0.15)), 21)] for _ in range(rng.randint(4, 11)))
        if self.varied and self.pieces and rng.random() < 0.5:
            return "".join(rng.choice(self.pieces) for _ in range(rng.choice((1, 2, 2, 2, 3, 3, 4))))[:12]
        return self._syllables(accents, 12 if self.varied else 10)

    def _syllables(self, accents: float, longest: int) -> str:
        rng, parts = self.rng, []
        for _ in range(rng.choice((1, 1, 2, 2, 2, 2, 3, 3) if self.varied else (1, 1, 2, 2, 2, 3))):
            nucleus = rng.choice(ACCENTED) if rng.random() < accents else rng.choice(NUCLEI)
            coda = rng.choice(CODAS) if rng.random() < 0.35 else ""
            parts.append(rng.choice(ONSETS) + nucleus + coda)
        return "".join(parts)[:longest]

    def word(self, accents: float = 0.0) -> str:
        """A new word; `accents` is the share of syllables with an accented letter."""
        while True:
            word = self._draw(accents)
            if len(word) > 1 and word not in self.used:
                self.used.add(word)
                return word

    def phrase(self, accents: float = 0.0) -> str:
        """One to three new words, at most `longest`."""
        return " ".join(self.word(accents) for _ in range(min(self.longest, self.rng.choice((1, 1, 1, 1, 2, 2, 3)))))


def _pseudo_language(seed: int = 7) -> dict[str, tuple[str, ...]]:
    """A fixed made-up phrase book: canonical operator -> phrases, so that aliases are met by meaning as well."""
    words = Words(random.Random(seed), varied=False)
    return {name: tuple(words.phrase() for _ in range(4)) for name in operators()}


PSEUDO = _pseudo_language()
_glue = Words(random.Random(8), varied=False)
GLUE = tuple(_glue.word() for _ in range(16))
"""Made-up words that mean nothing: a request may have them anywhere inside a condition."""


JOINERS = (" & ", ", ", " + ", " ke ")
"""What stands between conditions of a step."""
SEPARATORS = (" > ", " ; ", " | ", " dwo ", ", dwo ", ", tsa ")
"""What stands between steps."""
TIMES = {"since": ("@ {d} >", "gri {d}", "nou {d} >"), "range": ("@ {d} > {e}", "gri {d} pwa {e}", "fle {d} - {e}")}
"""How a time span is said."""


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
    value_phrases: dict[str, tuple[str, ...]]


def _alias(rng: random.Random, words: Words, canonical: str, made_up: bool) -> str:
    return words.word() if made_up else rng.choice(operators()[canonical].aliases)


def _field(rng: random.Random, words: Words, style: str, made_up_aliases: bool) -> _Field:
    kind = rng.choice(("enum", "enum", "enum", "text", "integer", "number", "boolean", "date"))
    phrase, other = words.phrase(), words.phrase(accents=0.15)
    name = name_in_style(phrase if rng.random() < 0.8 else words.phrase(), style)
    phrases = (phrase, other) if rng.random() < 0.75 else (phrase,)
    values: tuple[str, ...] = ()
    hints: dict[str, str] = {}
    value_phrases: dict[str, tuple[str, ...]] = {}
    if kind == "enum":
        value_style = rng.choice(STYLES)
        for _ in range(rng.choice((2, 2, 3, 3, 4, 5))):
            said, said_other = words.phrase(), words.phrase(accents=0.15)
            value = name_in_style(said, value_style)
            values += (value,)
            if said != value:
                hints[said] = value
            if rng.random() < 0.7:
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
    operator_hints = {
        words.phrase(accents=0.1): alias
        for alias in aliases.values()
        if rng.random() < 0.8
        for _ in range(rng.choice((1, 1, 2)))
    }
    spec = SchemaField(name, kind, aliases, phrases, values, hints, operator_hints)
    return _Field(spec, value_phrases)


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
    """A date as ISO, as `3/4/2024` (day first), or with the month's name before or after the day."""
    form = rng.random()
    if form < 0.35:
        return day.isoformat()
    if form < 0.5:
        return f"{day.day:02d}/{day.month:02d}/{day.year}"
    month = MONTHS[rng.choice(("en", "fr"))][day.month - 1]
    return f"{month} {day.day}, {day.year}" if form < 0.65 else f"{day.day} {month} {day.year}"


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


def _operator_phrase(rng: random.Random, canonical: str, spec: SchemaField, made_up: bool) -> str:
    alias = spec.operators[canonical]
    described = [said for said, meant in spec.operator_hints.items() if meant == alias]
    if described and rng.random() < 0.8:
        return rng.choice(described)
    if made_up:
        return alias
    draw = rng.random()
    if draw < 0.4:
        return rng.choice(SYMBOLS[canonical])
    return rng.choice(PSEUDO[canonical]) if draw < 0.85 else alias


def _condition(
    rng: random.Random, words: Words, entry: _Field, made_up: bool
) -> tuple[str, dict[str, Any], dict[str, str]]:
    """How a condition on the field is said, the condition, and what was looked up for it: phrase -> spelling.

    A truth value with phrases of its own may stand for the whole condition, as in "not paid".
    """
    canonical, alias = rng.choice(list(entry.spec.operators.items()))
    shape = operators()[canonical].shape
    phrase = rng.choice(entry.spec.phrases)
    if shape == "one":
        said, value = _value(rng, words, entry)
        parts = [said]
    elif shape == "list":
        drawn: dict[Any, str] = {}
        for _ in range(rng.randint(2, 3)):
            text, item = _value(rng, words, entry)
            drawn.setdefault(item, text)
        parts = list(drawn.values())
        value, said = list(drawn), rng.choice((" / ", " | ", ", ", " sou ")).join(parts)
    else:
        parts = []
        low, high = sorted((_number(rng, entry.spec.type) for _ in range(2)), key=lambda pair: pair[1])
        value, said = [low[1], high[1]], low[0] + rng.choice((" .. ", " - ", " : ")) + high[0]
    condition = {"field": entry.spec.name, "operator": alias, "value": value}
    if said in entry.spec.hints and entry.spec.type == "boolean" and rng.random() < 0.6:
        return said, condition, {said: entry.spec.hints[said]}
    operator = _operator_phrase(rng, canonical, entry.spec, made_up)
    looked_up = {phrase: entry.spec.name}
    if operator in entry.spec.operator_hints:
        looked_up[operator] = alias
    looked_up |= {part: entry.spec.hints[part] for part in parts if part in entry.spec.hints}
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
    return text, condition, looked_up


def _calendar(rng: random.Random, words: Words, most: int | None = None) -> tuple[dict[str, tuple[date, date]], str]:
    """A calendar like a prompt's, its names made up, some of them of words that others have: (name -> period, the line)."""
    today = _day(rng)
    known = list(periods(today).values())
    shown = known[:1] + rng.sample(known[1:], rng.randint(min(2, most or 2), most or len(known) - 1))
    shared = [words.word() for _ in range(5)]
    pairs = [f"{first} {second}" for first in shared for second in shared if first != second]
    names = rng.sample(pairs, len(shown) // 2) + [words.word() for _ in range(len(shown) - len(shown) // 2)]
    rng.shuffle(names)
    named = dict(zip(names, shown, strict=True))
    return named, render_calendar(named)


def _timeframe(rng: random.Random, named: dict[str, tuple[date, date]]) -> tuple[str, tuple[str, str]]:
    """How a time span is said, by a name of the calendar or by dates, and its two days."""
    today = next(iter(named.values()))[1]
    if rng.random() < 0.6:
        label, (start, end) = rng.choice(list(named.items()))
        return rng.choice(("@ ", "", "", f"{rng.choice(GLUE)} ")) + label, (start.isoformat(), end.isoformat())
    if rng.random() < 0.4:
        start = today - timedelta(days=rng.randrange(1, 900))
        return rng.choice(TIMES["since"]).format(d=say_day(rng, start)), (start.isoformat(), today.isoformat())
    start = _day(rng)
    end = start + timedelta(days=rng.randrange(1, 400))
    said = rng.choice(TIMES["range"]).format(d=say_day(rng, start), e=say_day(rng, end))
    return said, (start.isoformat(), end.isoformat())


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
        text = f"{rng.choice(entry.spec.phrases)} {operator} {said}"
        return text, refusal(f"value {said}", _listed(list(entry.spec.values)))
    said = words.phrase()
    canonical = rng.choice(list(operators()))
    value = rng.choice((words.phrase(), _number(rng, "integer")[0], f'"{words.phrase()}"'))
    text = f"{said} {rng.choice(SYMBOLS[canonical] + PSEUDO[canonical])} {value}"
    return text, refusal(f"field {said}", _listed([f.spec.name for f in fields]))


def schema_document(
    rng: random.Random, rows: int, size: tuple[int, int] = (2, 4), *, simple: bool = False, short: bool = False
) -> Document:
    """A schema in the shipped form over `size` fields, and requests for it in the controlled language.

    `simple` requests have no time and no filler; `short` ones have one or two conditions a step, and two steps at most.
    """
    words = Words(rng)
    made_up = rng.random() < 0.35
    style = rng.choice(STYLES)
    fields = [_field(rng, words, style, made_up) for _ in range(rng.randint(*size))]
    schema = answer_schema([entry.spec for entry in fields])
    named, calendar = _calendar(rng, words)
    seen_words = set(words.used)
    result = []
    for _ in range(rows):
        row_words = Words(rng)
        row_words.used = set(seen_words)
        filler = "".join(row_words.word() + " " for _ in range(rng.randint(1, 5))) if rng.random() < 0.4 else ""
        and_, then = rng.choice(JOINERS), rng.choice(SEPARATORS)
        refused = rng.random() < 0.12
        said_steps, steps = [], []
        for _ in range(rng.choice((1, 1, 1, 1, 2) if short else (1, 1, 1, 1, 2, 2, 3))):
            entries = rng.sample(fields, min(rng.choice((1, 1, 2) if short else (1, 1, 2, 2, 3)), len(fields)))
            pairs = [_condition(rng, row_words, entry, made_up)[:2] for entry in entries]
            said_steps.append([pair[0] for pair in pairs])
            steps.append([pair[1] for pair in pairs])
        ast = program(steps)
        if refused:
            bad, ast = _refusal(rng, row_words, fields)
            step = rng.choice(said_steps)
            step[rng.randrange(len(step))] = bad
        text = ("" if simple else filler) + then.join(and_.join(step) for step in said_steps)
        if not simple and rng.random() < 0.35:
            said, timeframe = _timeframe(rng, named)
            text = f"{said} {text}" if rng.random() < 0.3 else f"{text} {said}"
            if not refused:
                ast = program(steps, timeframe)
        if not simple and rng.random() < 0.2:
            text = text + " " + row_words.phrase()
        result.append((render_content(schema, text, calendar), minify(ast)))
    return Document(result)


def list_document(rng: random.Random, rows: int) -> Document:
    """Requests that list words, texts and numbers between separators; the answer is the same list in another notation.

    What it teaches is to go on in the request after the item that was written last.
    """
    keys = rng.sample(("field", "operator", "value", "name"), rng.choice((0, 0, 1, 2)))
    size = max(1, len(keys))
    wrap = lambda items: [
        dict(zip(keys, items[i : i + size], strict=False)) if keys else items[i] for i in range(0, len(items), size)
    ]
    separator = rng.choice((" & ", ", ", " ; ", " > ", " ", " | ", " + "))
    result = []
    for _ in range(rows):
        words = Words(rng)
        said, items = [], []
        for _ in range(rng.choice((1, 2, 3, 4, 5, 6, 8))):
            draw = rng.random()
            if draw < 0.7:
                items.append(words.word(0.05))
                said.append(items[-1])
            elif draw < 0.85:
                items.append(words.phrase(0.05))
                said.append(f'"{items[-1]}"')
            else:
                text, value = _number(rng, "number")
                said.append(text)
                items.append(value)
        result.append((f"Schema: {minify(keys)}\nRequest: {separator.join(said)}", minify(wrap(items))))
    return Document(result)


def pair_rows(rng: random.Random, rows: int, form: str, most: int = 6) -> Document:
    """Rows with a small table each, of words and what they stand for; the request names some.

    The answer is `same`: pairs in the table's notation, `other`: pairs in another notation, `values`: the list of what
    they stand for. From copying after a repeated key to looking a key up that is not repeated.
    """
    notations = [
        lambda pairs: ", ".join(f"{key}: {value}" for key, value in pairs),
        lambda pairs: minify([{"description": key, "const": value} for key, value in pairs]),
        lambda pairs: minify([{"field": key, "value": value} for key, value in pairs]),
        lambda pairs: minify([{key: value} for key, value in pairs]),
        lambda pairs: " & ".join(f"{key} = {value}" for key, value in pairs),
    ]
    result = []
    for _ in range(rows):
        words = Words(rng)
        draw = words.word if rng.random() < 0.75 else words.phrase
        pairs = [(draw(), words.word()) for _ in range(rng.randint(2, most))]
        table, other = rng.sample(notations[:2] if form == "values" else notations, 2)
        asked = rng.choices(pairs, k=rng.choice((1, 2, 3, 4)))
        request = rng.choice((" & ", ", ", " ; ")).join(key for key, _ in asked)
        if form == "values":
            answer = minify([value for _, value in asked])
        else:
            answer = (table if form == "same" else other)(asked)
            request = f"{request} {other([('key', 'value')])}" if form == "other" else request
        result.append((f"{table(pairs)}\nRequest: {request}", answer))
    return Document(result)


def name_rows(rng: random.Random, rows: int, most: int = 6) -> Document:
    """Rows with a few fields each as a schema shows them, a description before a name; the request says some fields.

    A description has one or two phrases, and most names are the first of them in some style: whoever is asked by the
    second has to go through the description. The answer is the list of names, or of objects where the table has them.
    """
    result = []
    for _ in range(rows):
        words, style = Words(rng), rng.choice(STYLES)
        whole = rng.random() < 0.4
        fields = [_field(rng, words, style, made_up_aliases=False) for _ in range(rng.randint(2, most))]
        table: list[dict[str, Any]] = [
            describe(dict.fromkeys(entry.spec.phrases, entry.spec.name)) | {"const": entry.spec.name}
            for entry in fields
        ]
        if whole:
            table = [{"properties": {"field": shown}} for shown in table]
        asked = [rng.choice(fields) for _ in range(rng.choice((1, 2, 3, 4, 5)))]
        glued = rng.random() < 0.3
        said = [
            (f"{rng.choice(GLUE)} " if glued and rng.random() < 0.5 else "") + rng.choice(entry.spec.phrases)
            for entry in asked
        ]
        answer = [{"field": entry.spec.name} if whole else entry.spec.name for entry in asked]
        result.append((f"{minify(table)}\nRequest: {rng.choice((' & ', ', ', ' + ')).join(said)}", minify(answer)))
    return Document(result)


def lookup_document(rng: random.Random, rows: int, size: tuple[int, int] = (3, 10)) -> Document:
    """A table of phrases and the names that they stand for; a request says some of them, beside texts and numbers.

    The answer is the list of names, texts and numbers in the order of the request: all that a schema row asks, without
    its scaffolding, so that nearly every supervised token is a choice of where to look.
    """
    words, style = Words(rng), rng.choice(STYLES)
    table = []
    for _ in range(rng.randint(*size)):
        phrases = tuple(words.phrase(0.1) for _ in range(rng.choice((1, 1, 2))))
        name = name_in_style(phrases[0] if rng.random() < 0.5 else words.phrase(), style)
        table.append((name, phrases))
    form = rng.random()
    if form < 0.4:
        text = minify([{"description": ", ".join(phrases), "const": name} for name, phrases in table])
    elif form < 0.7:
        text = minify({"description": ", ".join(f"{phrase}: {name}" for name, phrases in table for phrase in phrases)})
    elif form < 0.85:
        text = "\n".join(f"{' / '.join(phrases)} = {name}" for name, phrases in table)
    else:
        text = minify({phrase: name for name, phrases in table for phrase in phrases})
    filled = rng.random() < 0.4
    result = []
    for _ in range(rows):
        said, wanted = [], []
        for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5))):
            draw = rng.random()
            if draw < 0.7:
                name, phrases = rng.choice(table)
                said.append(rng.choice((*phrases, name)))
                wanted.append(name)
            elif draw < 0.85:
                wanted.append(words.phrase(0.05))
                said.append(f'"{wanted[-1]}"')
            else:
                text_of, value = _number(rng, "number")
                said.append(text_of)
                wanted.append(value)
            if filled and rng.random() < 0.3:
                said[-1] = f"{rng.choice(GLUE)} {said[-1]}"
        request = rng.choice((" & ", ", ", " ; ", " > ", " ")).join(said)
        result.append((f"{text}\nRequest: {request}", minify(wanted)))
    return Document(result)


def conditions_document(
    rng: random.Random, rows: int, size: tuple[int, int] = (1, 4), *, names_only: bool = False, described: float = 0.0
) -> Document:
    """The conditions of a schema in the shipped form without all around them: the answer is a list of conditions.

    `names_only`: the request says fields alone, and the answer is the list of their names. `described` as in `small_rows`.
    """
    words = Words(rng)
    made_up = rng.random() < 0.35
    style = rng.choice(STYLES)
    fields = [_field(rng, words, style, made_up) for _ in range(rng.randint(*size))]
    branches = [branch for entry in fields for branch in condition_branches(entry.spec)]
    schema = {"type": "array", "items": {"anyOf": branches}}
    seen_words = set(words.used)
    result = []
    for _ in range(rows if names_only else 0):
        asked = [rng.choice(fields) for _ in range(rng.choice((1, 2, 3, 4)))]
        request = rng.choice((" & ", ", ", " + ")).join(rng.choice(entry.spec.phrases) for entry in asked)
        names = minify([entry.spec.name for entry in asked])
        result.append((f"Schema: {minify(schema)}\nRequest: fields {request}", names))
    for _ in range(0 if names_only else rows):
        row_words = Words(rng)
        row_words.used = set(seen_words)
        entries = [rng.choice(fields) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        said, answer, spoken = [], [], rng.random() < described
        for entry in entries:
            text, condition, looked_up = _condition(rng, row_words, entry, made_up)
            said.append(text)
            answer.append(describe(looked_up) | condition if spoken else condition)
        request = f"{'Described r' if spoken else 'R'}equest: {rng.choice(JOINERS).join(said)}"
        result.append((f"Schema: {minify(schema)}\n{request}", minify(answer)))
    return Document(result)


def small_rows(
    rng: random.Random, rows: int, size: tuple[int, int] = (2, 3), *, described: float = 0.5, most: int = 3
) -> Document:
    """Rows with a small schema of their own each, its branches without all around them; the answer is the conditions.

    Many different tables a step teach looking up where many rows of one table do not. A share `described` of the rows
    says each condition's phrases with their spellings before it, in the schema's own notation: the step from copying after
    a repeated key to looking it up unsaid (stepwise internalisation, Deng et al. 2024, arXiv 2405.14838).
    """
    result = []
    for _ in range(rows):
        words, style, made_up = Words(rng, rng.choice((1, 1, 2))), rng.choice(STYLES), rng.random() < 0.35
        fields = [_field(rng, words, style, made_up) for _ in range(rng.randint(*size))]
        table = [branch["properties"] for entry in fields for branch in condition_branches(entry.spec)]
        spoken = rng.random() < described
        said, answer = [], []
        for _ in range(rng.randint(1, most)):
            entry = rng.choice(fields)
            text, condition, looked_up = _condition(rng, words, entry, made_up)
            said.append(text)
            answer.append(describe(looked_up) | condition if spoken else condition)
        request = rng.choice((" & ", ", ", " + ", " > ", " ; ")).join(said)
        result.append((f"{minify(table)}\n{'Described r' if spoken else 'R'}equest: {request}", minify(answer)))
    return Document(result)


def recall_document(rng: random.Random, rows: int, size: tuple[int, int] = (4, 24)) -> Document:
    """Pairs in one of several notations; each row asks for the other side of one of them, by hint or by value."""
    words = Words(rng)
    pairs = {words.phrase(0.05): words.phrase(0.05) for _ in range(rng.randint(*size))}
    form = rng.random()
    if form < 0.4:
        text = minify({key.replace(" ", "_"): value for key, value in pairs.items()})
    elif form < 0.7:
        text = ", ".join(f"{key}: {value}" for key, value in pairs.items())
    else:
        text = minify([{"description": key, "const": value} for key, value in pairs.items()])
    backwards = rng.random() < 0.1
    result = []
    for key in rng.sample(list(pairs), min(rows, len(pairs))):
        shown = key.replace(" ", "_") if form < 0.4 else key
        question, answer = (pairs[key], shown) if backwards else (shown, pairs[key])
        result.append((f"{text}\nRequest: {question}", minify([answer])))
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


def keyed_rows(rng: random.Random, tokens: int, rows: int) -> list[tuple[list[int], set[int]]]:
    """Keys and values of random tokens, then some keys again, each to be followed by its value.

    Between key and value stand up to three fixed tokens, in the second part the same or others: from adjacent copying to
    looking up over a gap. Rows of (offsets, supervised positions).
    """
    result = []
    for _ in range(rows):
        draw = lambda most: [rng.randrange(tokens) for _ in range(rng.randint(1, most))]
        key_size, value_size = rng.choice((1, 1, 2, 3)), rng.choice((1, 2, 3))
        pairs = [(draw(key_size), draw(value_size)) for _ in range(rng.randint(2, 8))]
        between, after = draw(3) if rng.random() < 0.75 else [], draw(2) if rng.random() < 0.75 else []
        row = [token for key, value in pairs for token in (*key, *between, *value, *after)]
        asked = draw(3) if rng.random() < 0.6 else between
        row += draw(4)
        wanted: set[int] = set()
        for key, value in rng.choices(pairs, k=rng.randint(3, 8)):
            row += [*key, *asked]
            wanted |= set(range(len(row), len(row) + len(value)))
            row += [*value, *after]
        result.append((row, wanted))
    return result
