"""Ask a student: the AST as JSON on stdout, everything else on stderr.

In   a JSON Schema (FILE, or - for stdin where the request is an argument), a request (argument, or stdin); with --lines
     one request a line of stdin, or typed one after the other on a terminal
Out  stdout: the answer; stderr: the request with the days, spellings and names that rules found for it; exit status 0
     for a program, 1 for an answer that does not satisfy the schema, 3 for a refusal, 2 where something is missing
     with --lines: stdout has {schema, query, current_date, answer} a line, and `problem` where the answer does not
     satisfy the schema (exit status 1, else 0): what --examples takes, once you have mended the answers

    uv run python scripts/ask.py --schema schema.json "paid invoices above 100 since march"
    uv run python scripts/ask.py --schema schema.json --ollama my-student "factures payees" | jq .steps
    echo "paid invoices" | uv run python scripts/ask.py --config config/offline.json --schema schema.json --constrained
    uv run python scripts/ask.py --schema shop_order.json --lines < requests.txt > answers.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from pipeline import errors
from pipeline.config import complete_sections, parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.progress import progress

INVALID, REFUSED = 1, 3


def stdin_text() -> str:
    """All of stdin. Raises UserError where it is no UTF-8."""
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"stdin is not UTF-8: {error}; convert it with iconv") from None


def read_schema(path: str) -> dict[str, Any]:
    """The answer schema of a file, as students are trained on it: a schema of your own is closed and may be refused.

    A d_02 row counts as its schema. Raises UserError where it is none.
    """
    from pipeline.schemas.dsl import can_refuse, with_refusal
    from pipeline.schemas.json_schemas import closed_schema, read_document

    if path == "-":
        try:
            value = json.loads(stdin_text())
        except ValueError as error:
            raise UserError(f"stdin is not a JSON Schema: {error}") from None
    elif not Path(path).is_file():
        raise UserError(f"{path} is no file; give a JSON Schema with --schema")
    else:
        value = read_document(Path(path))
    schema = value["schema"] if isinstance(value, dict) and "schema_id" in value else value
    closed = closed_schema(path, schema)
    return schema if can_refuse(schema) else with_refusal(closed)


def read_request(text: str | None, schema_path: str) -> str:
    """The request of the argument or of stdin."""
    if text is None and (schema_path == "-" or sys.stdin.isatty()):
        raise UserError("no request was given; write it after the options, or pipe it in")
    request = (stdin_text() if text is None else text).strip()
    if not request:
        raise UserError("the request is empty; write what to ask for")
    return request


def read_lines(size: int) -> Iterator[list[str]]:
    """The requests of stdin, one a line, `size` at a time, with progress where answers are not seen."""
    requests = [line for line in map(str.strip, stdin_text().split("\n")) if line]
    if not requests:
        raise UserError("stdin has no requests; write one a line")
    starts: Iterable[int] = range(0, len(requests), size)
    if not sys.stdout.isatty():
        starts = progress(starts, f"batches of {size} requests")
    return (requests[start : start + size] for start in starts)


def typed_lines() -> Iterator[list[str]]:
    """What is typed, a request at a time."""
    print("> ", end="", file=sys.stderr, flush=True)
    for line in sys.stdin:
        if line.strip():
            yield [line.strip()]
        print("> ", end="", file=sys.stderr, flush=True)


class Answer(NamedTuple):
    """The text of an answer, its AST (None where it is not JSON), and what is wrong with it, or None."""

    text: str
    ast: Any
    problem: str | None


class Student:
    """Who answers requests under one schema: the adapter on its base in this process, or a model of a server."""

    def __init__(self, options: SimpleNamespace, schema: dict[str, Any], max_new_tokens: int) -> None:
        from pipeline.schemas.asts import SchemaJudge
        from pipeline.students.evaluation import make_answerer
        from pipeline.students.student import check_adapter, kept_adapter

        adapter = None
        if not options.ollama:
            adapter = Path(options.adapter) if options.adapter else kept_adapter(Layout(options.run))
            check_adapter(adapter, options.student.base_model)
        self.options, self.limit = options, max_new_tokens
        self.schema_row, self.judge = {"schema_id": "asked", "schema": schema}, SchemaJudge(schema)
        self.answerer = make_answerer(options, adapter, max_new_tokens, partial(print, file=sys.stderr))
        self.warned = False

    def answers(self, requests: list[str]) -> list[Answer]:
        """An answer to each request; says once where the schema cannot bind them."""
        count = len(requests)
        rows = [{"query": request, "current_date": self.options.date} for request in requests]
        made = self.answerer.answers([self.schema_row] * count, rows, constrained=[self.options.constrained] * count)
        if self.answerer.unenforced and not self.warned:
            self.warned = True
            print("the schema cannot be enforced while decoding; answers are free and validated after", file=sys.stderr)
        return [self._judged(answer) for answer in made]

    def _judged(self, answer: dict[str, Any]) -> Answer:
        from pipeline.schemas.asts import parse_answer

        text = answer["text"]
        try:
            ast = parse_answer(text)
        except ValueError as error:
            cut = "" if answer["ended"] else f"; it was cut off at {self.limit} tokens"
            return Answer(text, None, f"the answer is not JSON: {error}{cut}")
        wrong = self.judge.error(ast)
        return Answer(text, ast, f"the answer does not satisfy the schema: {wrong[1]}" if wrong else None)


def show_found(schema: dict[str, Any], request: str, today: date) -> None:
    """Say what rules found in a request."""
    from pipeline.requests.prompts import with_links

    if (asked := with_links(schema, request, today)) != request:
        print(f"asked: {asked}", file=sys.stderr)


def ask_one(options: SimpleNamespace, schema: dict[str, Any], today: date, max_new_tokens: int) -> int:
    """Answer the request of the argument or of stdin; returns the exit status."""
    request = read_request(options.request, options.schema)
    show_found(schema, request, today)
    text, ast, problem = Student(options, schema, max_new_tokens).answers([request])[0]
    print(text)
    if problem:
        print(problem, file=sys.stderr)
        return INVALID
    return REFUSED if isinstance(ast, dict) and set(ast) == {"refusal"} else 0


def ask_lines(options: SimpleNamespace, schema: dict[str, Any], today: date, evaluation: dict[str, Any]) -> int:
    """Answer each line of stdin, on a terminal as it is typed, else in batches; returns the exit status."""
    if options.request is not None or options.schema == "-":
        raise UserError("--lines takes its requests from stdin; give no request, and the schema as a file")
    typed = sys.stdin.isatty()
    batches = typed_lines() if typed else read_lines(evaluation["batch_rows"])
    student = Student(options, schema, evaluation["max_new_tokens"])
    wrong = 0
    for requests in batches:
        if typed:
            show_found(schema, requests[0], today)
        for request, (_, ast, problem) in zip(requests, student.answers(requests), strict=True):
            row = {"schema": Path(options.schema).stem, "query": request, "current_date": options.date, "answer": ast}
            wrong += problem is not None
            print(json.dumps(row | ({"problem": problem} if problem else {}), ensure_ascii=False))
    return INVALID if wrong else 0


def main(argv: list[str] | None = None) -> int:
    extra = argparse.ArgumentParser(add_help=False)
    extra.add_argument("request", nargs="?", help="the request (default: stdin)")
    extra.add_argument("--schema", required=True, metavar="FILE", help="JSON Schema of the answer, or - for stdin")
    extra.add_argument("--lines", action="store_true", help="one request a line of stdin, one JSON object a line out")
    which = extra.add_mutually_exclusive_group()
    which.add_argument("--ollama", metavar="NAME", help="ask this model of the Ollama server")
    which.add_argument("--adapter", metavar="DIR", help="ask this adapter (default: the run's result)")
    extra.add_argument("--date", default=date.today().isoformat(), help="current date, YYYY-MM-DD (default: today)")
    extra.add_argument(
        "--constrained", action=argparse.BooleanOptionalAction, default=True, help="keep the answer to the schema"
    )
    options = parse_options(argv, __doc__, ("run", "teacher", "student"), extra)
    try:
        today = date.fromisoformat(options.date)
    except ValueError:
        raise UserError(f"--date is {options.date!r}; write it as YYYY-MM-DD") from None
    schema = read_schema(options.schema)
    evaluation = complete_sections(Path(options.config))["evaluation"]
    if options.lines:
        return ask_lines(options, schema, today, evaluation)
    return ask_one(options, schema, today, evaluation["max_new_tokens"])


if __name__ == "__main__":
    errors.run(main)
