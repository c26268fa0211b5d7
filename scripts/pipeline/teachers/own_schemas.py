"""The embedded teacher for a user's own schemas: instances, requests for them, refusals, and how it reads them back."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

from pipeline.schemas.asts import SchemaJudge
from pipeline.schemas.json_text import minify
from pipeline.teachers import schema_reader
from pipeline.teachers.instances import NoInstance, Sampler
from pipeline.teachers.refused_requests import say_refused
from pipeline.teachers.schema_language import SchemaLanguage
from pipeline.teachers.teacher import Query


def own_part(answer_schema: dict[str, Any]) -> Any:
    """The user's schema inside its answer schema, closed."""
    own = answer_schema["anyOf"][0]
    if not isinstance(own, dict) or "$defs" not in answer_schema:
        return own
    return own | {"$defs": answer_schema["$defs"]}


@lru_cache(maxsize=64)
def _made(text: str) -> tuple[Any, Sampler]:
    import json

    own = own_part(json.loads(text))
    return own, Sampler(own)


def language_of(row: dict[str, Any], language: str) -> SchemaLanguage:
    """The sentences of a d_02 row's schema."""
    return SchemaLanguage(_made(minify(row["schema"]))[0], language, row["title"])


def write_queries(
    row: dict[str, Any], language: str, current_date: str, count: int, seed: str, refusal_share: float
) -> list[Query]:
    """Requests with the instances they were said from, or with refusals."""
    mine = language_of(row, language)
    _, sampler = _made(minify(row["schema"]))
    queries = []
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        try:
            instance = sampler.sample(rng)
        except NoInstance:
            continue
        known = mine.properties([mine.schema])
        if known and isinstance(instance, dict) and rng.random() < refusal_share:
            text, refusal = say_refused(mine, instance, rng)
            queries.append(Query(text, language, current_date, refusal))
            continue
        queries.append(Query(mine.say(instance, rng), language, current_date, instance))
    return queries


def answer(row: dict[str, Any], text: str, language: str) -> str:
    """What the grammar reads in a request; not JSON where it reads nothing."""
    mine = language_of(row, language)
    try:
        return minify(schema_reader.read(mine, text))
    except ValueError as error:
        return f"not a sentence of the embedded language: {error}"


def agrees(row: dict[str, Any], text: str, ast: Any, judge: SchemaJudge) -> bool | None:
    """Whether an AST means what the grammar reads in any language; None where it reads nothing."""
    import json

    readings = []
    for language in ("en", "fr"):
        said = answer(row, text, language)
        try:
            readings.append(json.loads(said))
        except ValueError:
            continue
    return any(judge.same(read, ast) for read in readings) if readings else None
