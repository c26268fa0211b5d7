"""The prompt of the student: one rendering for generation of data, training, evaluation, export and use.

Rows of one schema and date share everything up to the request, so that the long part is computed once for all of them.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import cache
from typing import Any

from pipeline.artifacts import content_id, file_hash
from pipeline.paths import CALENDAR, OPERATORS, READING
from pipeline.requests.calendar import days_said, today_line
from pipeline.requests.clock import takes_days, with_times
from pipeline.requests.lacking import MISSING
from pipeline.requests.linking import speaks_of_nothing, spellings_said
from pipeline.requests.outline import outline
from pipeline.requests.reading import Note, with_notes
from pipeline.schemas.dsl import SchemaField, answer_schema
from pipeline.schemas.json_text import minify

INSTRUCTIONS = (
    "Write the request as one JSON object that satisfies the schema, or as a refusal where the schema cannot say it."
)

REQUEST = "\nRequest: "
"""What stands between all that rows of one schema and date share and what is a row's own."""

NAMED = "\nNamed: "
"""What stands between a request and what it says of which property."""

RULES_VERSION = 22
"""Raised where the rules of this room find other days, spellings, lacks or outlines for a request than before."""


def render_prompt(schema: dict[str, Any], query: str, current_date: str) -> list[dict[str, str]]:
    """The student's messages for one request; `current_date` is ISO (YYYY-MM-DD).

    Raises ValueError where `current_date` is no date.
    """
    today = date.fromisoformat(current_date)
    return [{"role": "user", "content": render_content(schema, with_links(schema, query, today), today)}]


def with_links(schema: Any, query: str, today: date) -> str:
    """The request as a prompt has it: behind its words the days and the schema's spellings that rules find for them.

    For a schema of another form than the shipped one the names of properties stand under the request, with what it says
    of them.
    """
    text = minify(schema)
    days = with_times(query, text, days_said(query, today, soon=takes_days(text)))
    notes = [*days, *spellings_said(query, text, days)]
    named, unnamed = outline(query, text, notes)
    if not notes and speaks_of_nothing(query, text):
        unnamed = [Note(0, 0, MISSING)]
    request = with_notes(query, unnamed)
    return f"{request}{NAMED}{named}" if named else request


def render_content(schema: dict[str, Any], request: str, today: date) -> str:
    """The text of the user's turn; the request, its dates behind it, stands last so that all before it is shared."""
    return f"{INSTRUCTIONS}\nSchema: {minify(schema)}\nToday: {today_line(today)}{REQUEST}{request}"


@cache
def form() -> str:
    """A hash of how prompts are written: equal for two versions of this project whose prompts differ in their rows
    alone.

    A student is only as good as it was for prompts of the form that it was trained on.
    """
    spec = SchemaField("netAmount", "number", {"greater": "above"}, ("sum",), operator_hints={"over": "above"})
    schemas = answer_schema([spec], ("then",)), {"properties": {"netAmount": {"minimum": 0.000001}}}
    query = "sum over 5 then net amount since 3 march 2024 this week"
    prompts = [message for schema in schemas for message in render_prompt(schema, query, "2024-03-17")]
    text = json.dumps([*prompts, *render_completion({"netAmount": 0.5})])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rules() -> str:
    """A hash of the words and rules that requests are read by."""
    return content_id([file_hash(path) for path in (CALENDAR, READING, OPERATORS)], RULES_VERSION)


def form_of_rows() -> str:
    """As `form`, and of the words and rules that requests are read by: rows that were written with others are to be
    written again."""
    return content_id(form(), rules())


def render_completion(ast: dict[str, Any]) -> list[dict[str, str]]:
    """The student's answer as one assistant message."""
    return [{"role": "assistant", "content": minify(ast)}]
