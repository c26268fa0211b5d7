"""Procedural documents that teach the embedded base to copy, to look up and to read a schema.

Nothing here is a sentence of the embedded teacher or a name of a shipped domain: requests are in a made-up language
(`made_up_language.py`). What the base learns is where to look; SFT teaches the task.

A document is rows of (prompt text, completion text) that share a long beginning, or rows of token ids for the
sequences that teach induction (in-context copying, Olsson et al. 2022, arXiv 2209.11895).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from pipeline.embedded_base.made_up_language import GLUE, Field, Manner, draw_day, draw_number, draw_text, say_day
from pipeline.embedded_base.made_up_schemas import AnySchema
from pipeline.requests.calendar import today_line
from pipeline.requests.glossary import Glossary, glossary_of
from pipeline.requests.linking import linked
from pipeline.requests.prompts import render_content, with_links
from pipeline.schemas.dsl import answer_schema, condition_branches, conditions_of, describe, program
from pipeline.schemas.json_text import minify
from pipeline.schemas.names import STYLES, name_in_style
from pipeline.teachers.made_up_words import Words


@dataclass
class Document:
    """Rows of (prompt, completion)."""

    rows: list[tuple[str, str]]


def schema_document(
    rng: random.Random, rows: int, size: tuple[int, int] = (2, 4), *, simple: bool = False, short: bool = False,
    refused: float = 0.15, links: bool = False,
) -> Document:  # fmt: skip
    """A schema in the shipped form over `size` fields, and requests for it in one manner.

    `simple` requests have no time and no words around them; `short` ones have one or two conditions a step, and two
    steps at most. A share `refused` has a condition that the schema cannot express; `links` as in `small_rows`.
    """
    words = Words(rng)
    manner = Manner(rng, words, listed=links)
    fields = [manner.field() for _ in range(rng.randint(*size))]
    schema = answer_schema([entry.spec for entry in fields], manner.step_phrases)
    glossary = glossary_of(conditions_of(schema), manner.step_phrases) if links else None
    today = draw_day(rng)

    def row() -> tuple[str, str]:
        row_words = words.more()
        said_steps, steps = [], []
        for _ in range(rng.choice((1, 1, 2) if short else (1, 1, 1, 1, 2, 2, 3))):
            entries = rng.sample(fields, min(rng.choice((1, 1, 2) if short else (1, 1, 2, 2, 3)), len(fields)))
            pairs = [manner.condition(row_words, entry)[:2] for entry in entries]
            said_steps.append([pair[0] for pair in pairs])
            steps.append([pair[1] for pair in pairs])
        said, timeframe = manner.timeframe(row_words, today) if not simple and rng.random() < 0.3 else (None, None)
        ast = program(steps, timeframe)
        if rng.random() < refused:
            bad, ast, _ = manner.refused(row_words, fields)
            step = rng.choice(said_steps)
            step[rng.randrange(len(step))] = bad
        text = rng.choice(manner.between_steps).join(manner.join(step) for step in said_steps)
        return text if simple else manner.request(row_words, text, said), minify(ast)

    result = [_with_links(row, manner, glossary) for _ in range(rows)]
    return Document([(render_content(schema, text, today), answer) for text, answer in result])


def _with_links(row: Callable[[], tuple[str, str]], manner: Manner, glossary: Glossary | None) -> tuple[str, str]:
    """A row of request and answer with links in the request, where it has a `glossary`.

    It is drawn again until rules find the whole of each condition that leaves its field out.
    """
    while True:
        manner.left_out.clear()
        text, answer = row()
        text = linked(text, glossary) if glossary else text
        if all(text.count(link) == manner.left_out.count(link) for link in manner.left_out):
            return text, answer


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
                items.append(draw_text(rng, words))
                said.append(f'"{items[-1]}"')
            else:
                text, value = draw_number(rng, "number")
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
        manner = Manner(rng, Words(rng))
        whole = rng.random() < 0.4
        fields = [manner.field() for _ in range(rng.randint(2, most))]
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
                text_of, value = draw_number(rng, "number")
                said.append(text_of)
                wanted.append(value)
            if filled and rng.random() < 0.3:
                said[-1] = f"{rng.choice(GLUE)} {said[-1]}"
        request = rng.choice((" & ", ", ", " ; ", " > ", " ")).join(said)
        result.append((f"{text}\nRequest: {request}", minify(wanted)))
    return Document(result)


def conditions_document(
    rng: random.Random, rows: int, size: tuple[int, int] = (1, 4), *, names_only: bool = False, described: float = 0.0,
    refused: float = 0.0, picked: bool = False, links: bool = False,
) -> Document:  # fmt: skip
    """The conditions of a schema in the shipped form without all around them: the answer is a list of conditions.

    `names_only`: the request says fields alone, and the answer is the list of their names. The others as in
    `small_rows`.
    """
    words = Words(rng)
    manner = Manner(rng, words, listed=links)
    fields = [manner.field() for _ in range(rng.randint(*size))]
    if picked:
        fields[0] = manner.listed_field()
    branches = [branch for entry in fields for branch in condition_branches(entry.spec)]
    schema = {"type": "array", "items": {"anyOf": branches}}
    glossary = glossary_of(branches) if links else None

    def row() -> tuple[str, str]:
        asked = [rng.choice(fields) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        if names_only:
            said = manner.join([rng.choice(entry.spec.phrases) for entry in asked])
            return f"Request: fields {said}", minify([entry.spec.name for entry in asked])
        if picked:
            asked[rng.randrange(len(asked))] = fields[0]
        if rng.random() < refused:
            return _refused(manner, words.more(), asked, fields)[:2]
        return _conditions(rng, manner, words.more(), asked, described)[:2]

    result = [_with_links(row, manner, glossary) for _ in range(rows)]
    return Document([(f"Schema: {minify(schema)}\n{request}", answer) for request, answer in result])


def _conditions(
    rng: random.Random, manner: Manner, words: Words, asked: list[Field], described: float
) -> tuple[str, str, dict[str, str]]:
    """A request for conditions on these fields, the list of them as the answer, and what was looked up for them."""
    said, answer, spoken = [], [], rng.random() < described
    found: dict[str, str] = {}
    for entry in asked:
        text, condition, looked_up = manner.condition(words, entry)
        said.append(text)
        answer.append(describe(looked_up) | condition if spoken else condition)
        found |= looked_up
    return f"{'Described r' if spoken else 'R'}equest: {manner.join(said)}", minify(answer), found


def _refused(manner: Manner, words: Words, asked: list[Field], fields: list[Field]) -> tuple[str, str, dict[str, str]]:
    """As `_conditions`, one of them none that the fields can express, and a refusal for the answer."""
    said, found, at = [], {}, manner.rng.randrange(len(asked))
    for entry in asked[:at]:
        text, _, looked_up = manner.condition(words, entry)
        said.append(text)
        found |= looked_up
    text, answer, looked_up = manner.refused(words, fields)
    said += [text, *(manner.condition(words, entry)[0] for entry in asked[at + 1 :])]
    return f"Request: {manner.join(said)}", minify(answer), found | looked_up


def small_rows(
    rng: random.Random, rows: int, size: tuple[int, int] = (2, 3), *, described: float = 0.5, most: int = 3,
    refused: float = 0.0, checked: float = 0.0, picked: bool = False, links: bool = False,
) -> Document:  # fmt: skip
    """Rows with a small schema of their own each, its branches without all around them; the answer is the conditions.

    Many different tables a step teach looking up where many rows of one table do not. A share `described` of the rows
    says each condition's phrases with their spellings before it, in the schema's own notation: the step from copying
    after a repeated key to looking it up unsaid (stepwise internalisation, Deng et al. 2024, arXiv 2405.14838). A share
    `refused` has a condition that the schema cannot express, and a refusal for an answer. A share `checked` of the
    answers begins with all that is looked up, in the order of the request, up to what is missing: whether a phrase
    stands in the schema, before what follows from it. The first field of `picked` ones takes lists or truth values, and
    is always asked for: after an item of a list has been written, the next is found by going back from its spelling to
    the request. With `links` spellings stand behind the phrases of a request, as in a prompt.
    """

    def row(manner: Manner, words: Words, asked: list[Field], fields: list[Field]) -> tuple[str, str]:
        if rng.random() < refused:
            request, answer, found = _refused(manner, words, asked, fields)
        else:
            request, answer, found = _conditions(rng, manner, words, asked, described)
        if rng.random() < checked:
            return f"Checked {request}", f"{minify(describe(found))} {answer}"
        return request, answer

    result = []
    for _ in range(rows):
        words = Words(rng, rng.choice((1, 1, 2)))
        manner = Manner(rng, words, listed=links)
        fields = [manner.field() for _ in range(rng.randint(*size))]
        if picked:
            fields[0] = manner.listed_field() if rng.random() < 0.65 else manner.field("boolean")
        asked = [rng.choice(fields) for _ in range(rng.randint(1, most))]
        if picked:
            asked[rng.randrange(len(asked))] = fields[0]
            rng.shuffle(fields)
        branches = [branch for entry in fields for branch in condition_branches(entry.spec)]
        glossary = glossary_of(branches) if links else None
        request, answer = _with_links(partial(row, manner, words, asked, fields), manner, glossary)
        result.append((f"{minify([branch['properties'] for branch in branches])}\n{request}", answer))
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


def instance_document(
    rng: random.Random, rows: int, depth: int | None = None, most: int = 6, refused: float = 0.12
) -> Document:
    """A closed schema of any shape as a user's own stands in a prompt; each row says an instance and its answer writes
    it.

    Objects stand in objects and lists `depth` deep, 0 to 2 where it is not given, and have `most` properties at most. A
    share `refused` names a property that the schema does not have.
    """
    words = Words(rng)
    drawn = AnySchema(rng, words, rng.choice((0, 1, 1, 1, 2)) if depth is None else depth, most)
    today = draw_day(rng)
    result = []
    for _ in range(rows):
        text, answer = drawn.request(words.more(), refused)
        result.append((render_content(drawn.schema, with_links(drawn.schema, text, today), today), minify(answer)))
    return Document(result)


def date_document(rng: random.Random, rows: int) -> Document:
    """Dates in words to ISO dates."""
    days = [draw_day(rng) for _ in range(rows)]
    return Document([(f"? {say_day(rng, day)}", day.isoformat()) for day in days])


def timed_rows(rng: random.Random, rows: int, size: tuple[int, int] = (1, 2), *, links: bool = False) -> Document:
    """Rows with a small schema of their own each and a request for one or two conditions, mostly with a time span.

    The answer is the conditions and, where one is said, the time span: its days stand in the request, between others.
    `links` as in `small_rows`.
    """

    def row(manner: Manner, words: Words, fields: list[Field], today: date) -> tuple[str, str]:
        pairs = [manner.condition(words, entry)[:2] for entry in rng.choices(fields, k=rng.choice((1, 1, 2)))]
        answer: dict[str, Any] = {"conditions": [condition for _, condition in pairs]}
        said = None
        if rng.random() < 0.8:
            said, (start, end) = manner.timeframe(words, today)
            answer["timeframe"] = {"start": start, "end": end}
        return manner.request(words, manner.join([text for text, _ in pairs]), said), minify(answer)

    result = []
    for _ in range(rows):
        words = Words(rng)
        manner = Manner(rng, words, listed=links)
        today = draw_day(rng)
        fields = [manner.field() for _ in range(rng.randint(*size))]
        branches = [branch for entry in fields for branch in condition_branches(entry.spec)]
        glossary = glossary_of(branches) if links else None
        request, answer = _with_links(partial(row, manner, words, fields, today), manner, glossary)
        table = minify([branch["properties"] for branch in branches])
        result.append((f"{table}\nToday: {today_line(today)}\nRequest: {request}", answer))
    return Document(result)


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

    Between key and value stand up to three fixed tokens, in the second part the same or others: from adjacent copying
    to looking up over a gap. Rows of (offsets, supervised positions).
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
