"""The Ollama teacher: a real server asked over HTTP, every call cached by content.

The cache is one SQLite file at the output root, keyed by model digest, messages, format, options and sample, so that a
second identical run makes no call and a killed one asks again only what was in flight.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from types import SimpleNamespace
from typing import Any

from pipeline.artifacts import content_id
from pipeline.errors import UserError
from pipeline.paths import REQUEST_STYLES, Layout
from pipeline.requests.lacking import MISSING
from pipeline.schemas.dsl import FIELD_TYPES, MOST_SUGGESTED, problem_of, reason_of
from pipeline.schemas.json_text import minify
from pipeline.schemas.rewrite import to_format
from pipeline.server import is_here, is_there, model_digest, thinks, unload
from pipeline.teachers.teacher import CallLost, Query
from pipeline.words import read_words

LANGUAGES = {"en": "English", "fr": "French"}
SHARED_RULES = f"""- Brackets behind words of the request hold what rules found for them: days (one, or the first and last of a time
  span), a spelling of the schema, a condition or its beginning where the request says it in another order, or {MISSING}
  where words that the schema does not list stand for a field, an operator or a value, or, before the request, where it
  has no words of the schema: they may mean something of it all the same. Where brackets do not fit the request, the
  request counts.
- Refuse where the request needs what the schema cannot express. The reason is "{reason_of("field")}",
  "{reason_of("value", "FIELD")}" or "{reason_of("operator", "FIELD")}", the suggestion the first {MOST_SUGGESTED} that there
  are of the kind, separated by ", "."""
ANSWER_RULES = f"""Rules:
- One condition for each thing the request asks of a field, in the order of the request; steps in their order.
- Name steps step_1, step_2, and so on. Several steps only where the request asks for one thing after another.
- timeframe only where the request limits the time; its dates are inclusive; "since" ends today.
{SHARED_RULES}
- Write JSON only."""


OWN_RULES = f"""Rules:
- Write what the request asks for as the schema says it, and nothing that the request does not say.
- Under the request stand the properties that rules found named in it, each with the words behind its name, and behind "?"
  what has no name there, and what is said to be none of the values that are listed for it. The rules know no meaning:
  what the request says is what counts.
{SHARED_RULES}
- Write JSON only."""


def rules_of(schema_row: dict[str, Any]) -> str:
    """The rules of an answer: those of the shipped DSL, or of a user's own schema."""
    return ANSWER_RULES if "fields" in schema_row else OWN_RULES


def meanings_of(schema_row: dict[str, Any]) -> str:
    """A line that says what the operators of a schema of the shipped DSL mean."""
    if not schema_row.get("operators"):
        return ""
    return "\n- Operators: " + ", ".join(f"{alias} = {name}" for alias, name in schema_row["operators"].items()) + "."


def own_schema_ask(schema_row: dict[str, Any], language: str, current_date: str, count: int, style: str) -> str:
    """What asks the model for requests that a user's own schema answers."""
    return (
        f"Objects are described by this JSON Schema:\n{minify(schema_row['schema'])}\n\nToday is {current_date}. Write "
        f"{count} different requests in {LANGUAGES[language]} that a person would type to have such an object made, "
        f"{style}. Say realistic values for what is required and for some of what is not. About one in eight asks for "
        "something that the schema lacks. Put free text in double quotes. Never mention JSON or the schema."
    )


MOST_SHOWN = 3
"""Examples of a user's own that a call shows."""


def shown_examples(schema_row: dict[str, Any]) -> list[dict[str, Any]]:
    """The first of a user's own examples of a schema."""
    return schema_row.get("examples", [])[:MOST_SHOWN]


def shown_requests(schema_row: dict[str, Any]) -> str:
    """A line with requests that people wrote, to write more like them."""
    requests = "; ".join(minify(example["query"]) for example in shown_examples(schema_row))
    return f" People wrote, for example: {requests}. Write others like them." if requests else ""


def request_styles() -> list[dict[str, Any]]:
    """config/request_styles.json: ways that people type, each with examples by language."""
    return read_words(REQUEST_STYLES)


def shown_style(style: dict[str, Any], language: str) -> str:
    """A line with requests in a style, about records that no schema here describes."""
    said = "; ".join(map(minify, style["examples"].get(language, [])))
    return (
        f" In that style, about lighthouses, people wrote: {said}. Take over the manner, not the words." if said else ""
    )


class CallFailed(Exception):
    """A call that got no usable answer."""


class Cache:
    """Answers by the hash of what was asked."""

    def __init__(self, path: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.database.execute("CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, request TEXT, response TEXT)")

    def get(self, key: str) -> dict[str, Any] | None:
        with self.lock:
            row = self.database.execute("SELECT response FROM calls WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, key: str, request: dict[str, Any], response: dict[str, Any]) -> None:
        with self.lock:
            self.database.execute(
                "INSERT OR REPLACE INTO calls VALUES (?, ?, ?)", (key, json.dumps(request), json.dumps(response))
            )


class OllamaTeacher:
    """A model on an Ollama server. Raises UserError at once where the server or the model is not there."""

    def __init__(self, options: SimpleNamespace, run: SimpleNamespace) -> None:
        from ollama import Client

        self.options, self.run = options, run
        self.name, self.concurrency = options.model, options.concurrency
        self.requests_per_call = options.requests_per_call
        self.client = Client(host=options.host, timeout=options.timeout)
        self.digest = model_digest(self.client, options.host, options.model)
        self.think = options.think if options.think and thinks(self.client, options.model) else None
        self.cache = Cache(Layout(run).root / "teacher_cache.sqlite")
        self.loading = 0.0  # the longest that a call waited until the model was in memory, in seconds
        self.cost = {"calls": 0, "cache_hits": 0, "retried": 0, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}
        self.counting = threading.Lock()

    def _count(self, **more: float) -> None:
        """Add to the cost, from any thread."""
        with self.counting:
            for key, value in more.items():
                self.cost[key] += value

    def chat(self, messages: list[dict[str, str]], schema: dict[str, Any], temperature: float, sample: int) -> str:
        """The text of an answer. Raises CallFailed where it was cut off, CallLost where every try failed, UserError
        where the server is gone."""
        options = {"num_ctx": self.options.num_ctx, "num_predict": self.options.num_predict}
        options |= {"temperature": temperature, "seed": self.run.seed + sample}
        request = {"messages": messages, "format": to_format(schema), "options": options, "think": self.think}
        key = content_id(self.digest, request, sample)
        answer = self.cache.get(key)
        if answer is None:
            answer = self._ask(request)
            self.cache.put(key, request, answer)
        else:
            self._count(cache_hits=1)
        if answer["done_reason"] == "length":
            raise CallFailed(f"the answer was cut off at {self.options.num_predict} tokens")
        return answer["content"]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        import httpx
        from ollama import ResponseError

        thinking = {"think": request["think"]} if request["think"] else {}
        for attempt in range(self.options.retries + 1):
            started = time.monotonic()
            try:
                response = self.client.chat(
                    self.options.model, request["messages"], format=request["format"], options=request["options"],
                    keep_alive="30m", **thinking,
                )  # fmt: skip
            except (ConnectionError, httpx.HTTPError, ResponseError) as error:
                status = getattr(error, "status_code", None)
                if status is not None and status < 500 and status != 429:
                    raise UserError(
                        f"the server at {self.options.host} refused a request: {str(error)[:200]}"
                    ) from None
                if attempt == self.options.retries:
                    said = f"the server at {self.options.host} failed a call {attempt + 1} times ({str(error)[:80]})"
                    if is_there(self.client):
                        raise CallLost(said) from None
                    raise UserError(
                        f"{said} and does not answer any more; start it and run the same command: what was answered is "
                        "kept"
                    ) from None
                self._count(retried=1)
                time.sleep(min(30.0, 2.0**attempt) * random.uniform(0.5, 1.0))
                continue
            self.loading = max(self.loading, (response.load_duration or 0) / 1e9)
            asked, said = response.prompt_eval_count or 0, response.eval_count or 0
            self._count(calls=1, tokens_in=asked, tokens_out=said, seconds=time.monotonic() - started)
            return {"content": response.message.content or "", "done_reason": response.done_reason or "stop"}
        raise AssertionError("unreachable")

    def _object(
        self,
        messages: list[dict[str, str]],
        schema: dict[str, Any],
        temperature: float,
        sample: int,
        asked: dict[str, Any] | None = None,
    ) -> Any:
        """A call whose answer is an object of `schema`, or None where it is not. `asked` is the schema that the server
        is given, where it is a narrower one."""
        from jsonschema import Draft202012Validator

        try:
            value = json.loads(self.chat(messages, asked or schema, temperature, sample))
        except (CallFailed, ValueError):
            return None
        return value if Draft202012Validator(schema).is_valid(value) else None

    def propose_domain(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Fields for a domain, with words in every language."""
        words = {
            "type": "object",
            "properties": {language: {"type": "string", "minLength": 1} for language in self.run.languages},
            "required": list(self.run.languages),
        }
        said = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "words": words},
            "required": ["name", "words"],
        }
        field = {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "type": {"enum": list(FIELD_TYPES)},
                "words": words,
                "values": {"type": "array", "items": said},
            },
            "required": ["name", "type", "words", "values"],
        }
        schema = {"type": "object", "properties": {"fields": {"type": "array", "items": field}}, "required": ["fields"]}
        names = ", ".join(LANGUAGES[language] for language in self.run.languages)
        ask = (
            f"Domain {entry['domain']}: {entry['description']}\nList eight fields that people filter such records by: "
            "three of type enum with three to five realistic values each, and one each of text, integer, number, boolean "
            f"and date. Names are snake_case English. `words` is the short phrase people say for it in {names}, lower "
            "case, different for every field. For boolean, `values` are named true and false and their words say each "
            "case as a phrase. For text, numbers and dates `values` is empty."
        )
        messages = [{"role": "user", "content": ask}]
        for attempt in range(3):
            found = self._object(messages, schema, self.options.temperature, attempt)
            if found is None:
                continue
            spec = {"domain": entry["domain"], "description": entry["description"], "fields": found["fields"]}
            for item in spec["fields"]:
                if not item["values"]:
                    del item["values"]
            problem = problem_of(spec, self.run.languages)
            if problem is None:
                return spec
            messages = [messages[0], {"role": "assistant", "content": minify(found)}]
            messages.append({"role": "user", "content": f"Your answer {problem}. Write it again."})
        raise UserError(
            f"{self.options.model} gave no usable fields for domain {entry['domain']!r} in 3 tries; try another model"
        )

    def write_queries(
        self, schema_row: dict[str, Any], language: str, current_date: str, count: int, seed: str
    ) -> list[Query]:
        """Requests as people type them, in one call. Those of an answer with too few count all the same."""
        requests = {"type": "array", "items": {"type": "string"}}
        schema = {"type": "object", "properties": {"requests": requests}, "required": ["requests"]}
        asked = {**schema, "properties": {"requests": requests | {"minItems": count}}}
        style = random.Random(seed).choice(request_styles())
        ask = (
            own_schema_ask(schema_row, language, current_date, count, style["style"])
            if "fields" not in schema_row
            else (
                f"Records are described by this JSON Schema of a query language:\n{minify(schema_row['schema'])}\n\n"
                f"Today is {current_date}. Write {count} different requests in {LANGUAGES[language]} that a person would type "
                f"to filter these records, {style['style']}. Use only what the schema can express, except in about one of eight, which "
                "asks for something that it lacks. Vary the number of conditions from one to four; about a third say a time "
                'span ("last month", "since Monday", dates); a few have two or three steps in order. Put free text in double '
                "quotes. Never mention JSON or the schema."
            )
        )
        ask += shown_requests(schema_row) or shown_style(style, language)
        sample = int(content_id(seed)[:6], 16)
        found = self._object([{"role": "user", "content": ask}], schema, self.options.temperature, sample, asked)
        texts = found["requests"] if found else []
        return [Query(text.strip(), language, current_date) for text in texts if text.strip()]

    def answer(self, schema_row: dict[str, Any], query: Query, complaint: str | None = None, sample: int = 0) -> str:
        """The AST as text; after a complaint, a corrected one."""
        from pipeline.requests.prompts import render_completion, render_prompt

        messages = [{"role": "system", "content": f"{rules_of(schema_row)}{meanings_of(schema_row)}"}]
        for example in shown_examples(schema_row):
            messages += render_prompt(schema_row["schema"], example["query"], example["current_date"])
            messages += render_completion(example["ast"])
        messages += render_prompt(schema_row["schema"], query.text, query.current_date)
        if complaint:
            messages.append({"role": "user", "content": f"Your last answer was refused: {complaint}. Write it again."})
        try:
            return self.chat(messages, schema_row["schema"], self.options.temperature if sample else 0.0, sample)
        except CallFailed as error:
            return f"no answer: {error}"

    def judge(
        self, schema_row: dict[str, Any], query: str, current_date: str, ast: Any, sample: int = 0
    ) -> bool | None:
        """The model's verdict on an AST."""
        schema = {"type": "object", "properties": {"correct": {"type": "boolean"}}, "required": ["correct"]}
        from pipeline.requests.prompts import render_prompt

        asked = render_prompt(schema_row["schema"], query, current_date)[0]["content"]
        ask = (
            f"{asked}\n{meanings_of(schema_row)}\nProposed answer: {minify(ast)}\n\nDoes the answer say exactly what the "
            "request asks: every condition, operator, value and date, and nothing else? Step names do not matter. A "
            "refusal is correct only if the schema cannot express the request."
        )
        found = self._object([{"role": "user", "content": ask}], schema, 0.0, sample)
        return found["correct"] if found else None

    def close(self) -> dict[str, Any]:
        """Calls, tokens and seconds so far. On this machine the model leaves its memory, which the student needs
        next."""
        if self.cost["calls"] and is_here(self.options.host):
            unload(self.client, self.options.model)
        return {**self.cost, "seconds": round(self.cost["seconds"], 1)}
