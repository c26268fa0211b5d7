"""The prompt of the student: one rendering for generation of data, training, evaluation, export and use.

Rows of one schema and date share everything up to the request, so that the long part is computed once for all of them.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from pipeline.calendar import periods, render_calendar

INSTRUCTIONS = (
    "Write the request as one JSON object that satisfies the schema, or as a refusal where the schema cannot say it."
)

REQUEST = "\nRequest: "
"""What stands between all that rows of one schema and date share and what is a row's own."""


def minify(value: Any) -> str:
    """Compact JSON in the order of its keys: the one spelling of schemas and answers everywhere."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render_prompt(schema: dict[str, Any], query: str, current_date: str) -> list[dict[str, str]]:
    """The student's messages for one request; `current_date` is ISO (YYYY-MM-DD).

    Raises ValueError where `current_date` is no date.
    """
    calendar = render_calendar(periods(date.fromisoformat(current_date)))
    return [{"role": "user", "content": render_content(schema, query, calendar)}]


def render_content(schema: dict[str, Any], query: str, calendar: str) -> str:
    """The text of the user's turn; the request stands last so that all before it is shared."""
    return f"{INSTRUCTIONS}\nSchema: {minify(schema)}\nCalendar: {calendar}{REQUEST}{query}"


def render_completion(ast: dict[str, Any]) -> list[dict[str, str]]:
    """The student's answer as one assistant message."""
    return [{"role": "assistant", "content": minify(ast)}]
