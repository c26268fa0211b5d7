"""d_03: requests for every schema and the ASTs that answer them, each kept only if it is right.

The teacher writes requests and answers them in calls of their own. An answer is kept if it parses, satisfies the
original schema with formats checked, obeys the DSL's rules, agrees with the program that the request was written from
(where it was), and with the majority of the rollouts (where they are asked for). A failed answer goes back with the
validator's message. Near-duplicate requests of one schema are dropped. Some train schemas give held-out requests,
`test_seen`; no later stage splits again. Of requests of your own (`--examples`) those that are `"held_out": true` make
the split `own`.

In   outputs/d_02_final_schemas.jsonl
Out  outputs/d_03_dataset.jsonl    row_id, schema_id, language, query, current_date, ast, kind, is_valid, error_type,
                                   teacher, attempts, split
     outputs/d_03_rejected.jsonl   schema_id, language, query, current_date, answer, reason, message
     outputs/d_03_open.jsonl       schema_id, reason: schemas that lost calls left open; only until a run answers them

    uv run python scripts/generate_dataset.py --config config/offline.json
    uv run python scripts/generate_dataset.py --teacher-model gpt-oss:20b --rows-per-schema 8
    uv run python scripts/generate_dataset.py --config config/offline.json --target-rows 2000
    uv run python scripts/generate_dataset.py --config config/offline.json --preview 5
    uv run python scripts/generate_dataset.py --config config/offline.json --schemas DIR --examples my_requests.jsonl
"""

from __future__ import annotations

import argparse
import difflib
import random
import re
import time
from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import errors
from pipeline.artifacts import Stage, content_id, locked, read_jsonl, write_jsonl
from pipeline.config import parse_options
from pipeline.errors import UserError
from pipeline.paths import Layout
from pipeline.progress import Progress
from pipeline.requests.own_examples import read_examples
from pipeline.schemas.dsl import is_refusal, steps_of
from pipeline.server import side_by_side
from pipeline.teachers.teacher import CallLost, Query, Teacher, make_teacher, teacher_facts

VERSION = 11
Job = tuple[dict[str, Any], list[tuple[str, int]]]
"""A schema's row and the rows that it gives: (split, count)."""
FIRST_DAY, DAYS = date(2023, 1, 1), 1200


def train_shares(schemas: list[dict[str, Any]], options: SimpleNamespace) -> list[int]:
    """Train rows of each train schema, in their order: as many as asked for each, or an even share of a target."""
    mine = [row.get("shared") or options.rows_per_schema for row in schemas if row["split"] == "train"]
    if options.target_rows is None:
        return mine
    edges = [options.target_rows * number // len(mine) for number in range(len(mine) + 1)]
    return [stop - start for start, stop in pairwise(edges)]


def wanted_rows(
    row: dict[str, Any], number: int, share: int, options: SimpleNamespace, max_samples: int | None
) -> list[tuple[str, int]]:
    """(split, rows) that this schema gives.

    `number` counts the train schemas without variants from 0, `share` are this one's train rows. Where a user's schemas
    are few, each of them gives rows of every split. Variants of a user's schema give train rows alone: what is measured
    are the schemas as they were given.
    """
    if row.get("shared"):
        held_out = options.evaluation_rows_per_schema * 4
        wanted = [("train", share), ("validation", held_out), ("align", held_out), ("test_seen", held_out)]
    elif row["split"] == "train":
        wanted = [("train", share)]
        if number < options.seen_schemas and "variant" not in row:
            wanted.append(("test_seen", options.evaluation_rows_per_schema))
    elif row["split"] == "align":
        wanted = [("align", options.align_rows_per_schema)]
    else:
        wanted = [(row["split"], options.evaluation_rows_per_schema)]
    return [(split, min(count, max_samples or count)) for split, count in wanted]


def current_dates(schema_id: str, seed: int, count: int) -> list[str]:
    """The current dates of a schema's requests."""
    rng = random.Random(f"{seed}-{schema_id}-dates")
    return [(FIRST_DAY + timedelta(days=rng.randrange(DAYS))).isoformat() for _ in range(count)]


class Kept:
    """The requests of one schema that are kept, each compared with those of its own meaning alone."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.of_meaning: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, query: str, meaning: str) -> None:
        """Keep a request; `meaning` is its AST's normal form."""
        words = self._words(query)
        self.words.add(words)
        self.of_meaning[meaning].append(words)

    def repeats(self, query: str, meaning: str) -> bool:
        """Whether a request has the words of one that is kept, or almost the words of one of the same meaning."""
        words = self._words(query)
        if words in self.words:
            return True
        matcher = difflib.SequenceMatcher(None, b=words)
        for other in self.of_meaning[meaning]:
            matcher.set_seq1(other)
            if matcher.real_quick_ratio() > 0.9 and matcher.quick_ratio() > 0.9 and matcher.ratio() > 0.9:
                return True
        return False

    @staticmethod
    def _words(query: str) -> str:
        return re.sub(r"\W+", " ", query.casefold()).strip()


def ask_for_requests(
    teacher: Teacher, job: Job, language: str, options: SimpleNamespace, run: SimpleNamespace, found: int, extra: int
) -> list[Query]:
    """Requests that a schema still lacks in a language, `found` of them kept so far; `extra` counts the calls
    before."""
    row, wanted = job
    dates = current_dates(row["schema_id"], run.seed, options.dates_per_schema)
    seed = f"{run.seed}-{row['schema_id']}-{language}-{extra}"
    lacking = min(each_language(wanted, run) - found, teacher.requests_per_call)
    return teacher.write_queries(row, language, dates[(found + extra) % len(dates)], lacking, seed)


def each_language(wanted: list[tuple[str, int]], run: SimpleNamespace) -> int:
    """Rows that a schema gives in each language."""
    return -(-sum(count for _, count in wanted) // len(run.languages))


def full_calls(wanted: list[tuple[str, int]], teacher: Teacher, run: SimpleNamespace) -> int:
    """Calls for the requests of a schema in one language, were every request kept."""
    return -(-each_language(wanted, run) // teacher.requests_per_call)


def forecast(teacher: Any, jobs: list[Job], options: SimpleNamespace) -> str:
    """What is ahead of an Ollama teacher, from the first calls of the first schemas, as many at a time as later.

    They are the calls that the work begins with: the cache has their answers then.
    """
    run, cost = options.run, teacher.cost
    jobs = [job for job in jobs if each_language(job[1], run)]
    writes = sum(full_calls(wanted, teacher, run) for _, wanted in jobs) * len(run.languages)
    answers = sum(count for _, wanted in jobs for _, count in wanted) * options.dataset.rollouts
    language = run.languages[0]
    asked: list[tuple[dict[str, Any], Query]] = []

    def write(job: Job) -> None:
        queries = ask_for_requests(teacher, job, language, options.dataset, run, 0, 0)
        asked.extend((job[0], query) for query in queries[:1])

    answer = lambda pair: teacher.answer(*pair, None, 0)
    hours = tokens = 0.0
    for work, items, calls in ((write, jobs[: teacher.concurrency], writes), (answer, asked, answers)):
        before, started, teacher.loading = dict(cost), time.monotonic(), 0.0
        list(side_by_side(work, items, teacher.concurrency))
        made = cost["calls"] - before["calls"]
        if not made:
            return "no forecast, its first calls are in the cache already or gave no request"
        hours += calls * (time.monotonic() - started - teacher.loading) / made / 3600
        grown = cost["tokens_in"] + cost["tokens_out"] - before["tokens_in"] - before["tokens_out"]
        tokens += calls * grown / made
    return (
        f"at least {writes + answers} calls, about {tokens:,.0f} tokens and {hours:.1f} hours, going by its first "
        f"calls, {teacher.concurrency} at a time"
    )


def answer_query(
    teacher: Teacher, judge: Any, row: dict[str, Any], query: Query, options: SimpleNamespace
) -> tuple[dict[str, Any] | None, str, int, list[tuple[str, str, str]]]:
    """(AST or None, its normal form, attempts, rejected answers as (answer, reason, message)) for one request."""
    from pipeline.schemas.asts import parse_answer

    rejected: list[tuple[str, str, str]] = []
    votes: dict[str, list[Any]] = {}
    attempts = 0
    for sample in range(options.rollouts):
        complaint = None
        for _ in range(options.attempts):
            attempts += 1
            text = teacher.answer(row, query, complaint, sample)
            try:
                ast = parse_answer(text)
            except ValueError as error:
                problem = ("not_json", str(error))
            else:
                problem = judge.error(ast)
            if problem is None:
                votes.setdefault(judge.normal(ast), []).append(ast)
                break
            rejected.append((text, *problem))
            if complaint == problem[1]:
                break
            complaint = problem[1]
    if not votes:
        return None, "", attempts, rejected
    normal, winner = max(votes.items(), key=lambda vote: len(vote[1]))
    ast = winner[0]
    if 2 * len(winner) <= options.rollouts:
        rejected.append((_text(ast), "no_majority", f"{len(winner)} of {options.rollouts} rollouts agree"))
        return None, "", attempts, rejected
    if query.expected is not None and judge.normal(query.expected) != normal:
        rejected.append((_text(ast), "disagrees", "the answer is not the program that the request was written from"))
        return None, "", attempts, rejected
    return ast, normal, attempts, rejected


def _text(ast: Any) -> str:
    from pipeline.schemas.json_text import minify

    return minify(ast)


def rows_of_schema(
    teacher: Teacher,
    row: dict[str, Any],
    wanted: list[tuple[str, int]],
    options: SimpleNamespace,
    run: SimpleNamespace,
    calls: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(d_03 rows, rejected rows) of one schema, the teacher answering `calls` requests at a time; a user's own rows of
    it come first, `row["examples"]` and `row["held_out"]`."""
    from pipeline.schemas.asts import SchemaJudge
    from pipeline.schemas.key_order import KeyOrder

    judge, order = SchemaJudge(row["schema"]), KeyOrder(row["schema"])
    each = each_language(wanted, run)
    found: dict[str, list[dict[str, Any]]] = {language: [] for language in run.languages}
    rejected: list[dict[str, Any]] = []
    own = [*row.get("examples", []), *row.get("held_out", [])]
    kept = Kept()
    for example in own:
        kept.add(example["query"], judge.normal(example["ast"]))
    for language in run.languages:
        for extra in range(2 + 2 * full_calls(wanted, teacher, run)):
            if len(found[language]) >= each:
                break
            kept_so_far = len(found[language])
            queries = ask_for_requests(teacher, (row, wanted), language, options, run, kept_so_far, extra)
            answer = lambda query: answer_query(teacher, judge, row, query, options)
            answered = side_by_side(answer, queries, calls)
            for query, (ast, normal, attempts, refused) in zip(queries, answered, strict=True):
                if len(found[language]) >= each:
                    break
                about = {"schema_id": row["schema_id"], "language": language, "query": query.text}
                about["current_date"] = query.current_date
                rejected += [about | {"answer": a, "reason": r, "message": m} for a, r, m in refused]
                if ast is None:
                    continue
                if kept.repeats(query.text, normal):
                    rejected.append(about | {"answer": _text(ast), "reason": "near_duplicate", "message": ""})
                    continue
                kept.add(query.text, normal)
                found[language].append(
                    {
                        "row_id": content_id(row["schema_id"], language, query.text, query.current_date),
                        **about,
                        "ast": order.ordered(ast),
                        "kind": "refusal" if is_refusal(ast) else "program",
                        "is_valid": True,
                        "error_type": None,
                        "teacher": teacher.name,
                        "attempts": attempts,
                    }
                )
    turns = random.Random(row["schema_id"]).sample(list(found), len(found))  # whose is the odd row differs by schema
    mixed = [r for turn in zip(*(found[language] for language in turns), strict=False) for r in turn]
    mixed += [r for rows in found.values() for r in rows[min(map(len, found.values())) :]]
    rows: list[dict[str, Any]] = [*own]
    for split, count in reversed(wanted):
        rows += [{**r, "split": split} for r in mixed[:count]]
        mixed = mixed[count:]
    return rows, rejected


def planned(schemas: list[dict[str, Any]], options: SimpleNamespace) -> list[Job]:
    """Each schema's row, with a user's own examples of it, and the rows that the teacher is asked for."""
    own: dict[str, list[dict[str, Any]]] = {}
    if options.run.examples:
        day = current_dates("examples", options.run.seed, 1)[0]
        own = read_examples(Path(options.run.examples), schemas, options.run.languages, day)
    shares = iter(train_shares(schemas, options.dataset))
    given = 0
    jobs = []
    for row in schemas:
        if mine := own.get(row["schema_id"]):
            row = row | {"examples": [r for r in mine if r["split"] == "train"]}
            row["held_out"] = [r for r in mine if r["split"] != "train"]
        share = next(shares) if row["split"] == "train" else 0
        jobs.append((row, wanted_rows(row, given, share, options.dataset, options.run.max_samples)))
        given += row["split"] == "train" and "variant" not in row
    return jobs


def rows_asked(jobs: list[Job]) -> int:
    """Rows that the teacher is asked for."""
    return sum(count for _, wanted in jobs for _, count in wanted)


def make_dataset(
    jobs: list[Job], options: SimpleNamespace, teacher: Teacher
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """(d_03 rows, rejected rows, schemas left open by lost calls), in the order of the schemas."""
    if options.teacher.kind == "ollama":
        try:
            print(f"dataset: {teacher.name}: {forecast(teacher, jobs, options)}")
        except CallLost as error:
            print(f"dataset: {teacher.name}: no forecast, {error}")

    # Schemas go side by side; where they are few, so do the requests of each.
    calls = max(1, teacher.concurrency // max(1, len(jobs)))

    def work(job: Job) -> Any:
        try:
            return *rows_of_schema(teacher, job[0], job[1], options.dataset, options.run, calls), None
        except CallLost as error:
            return [], [], {"schema_id": job[0]["schema_id"], "reason": str(error)}

    rows: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    still_open: list[dict[str, Any]] = []
    bar = Progress(rows_asked(jobs), "rows")
    for kept, refused, lost in side_by_side(work, jobs, teacher.concurrency):
        rows += kept
        rejected += refused
        still_open += [lost] if lost else []
        bar.update(len(kept), f"{100 * len(rows) / max(1, len(rows) + len(rejected)):.0f} % of answers kept")
    bar.close()
    return rows, rejected, still_open


def counts_of(rows: list[dict[str, Any]], rejected: list[dict[str, Any]]) -> dict[str, Any]:
    """What was made, kept and refused."""
    counts: dict[str, Any] = {"rows": len(rows), "rejected": dict(Counter(r["reason"] for r in rejected))}
    for key in ("split", "language", "kind"):
        counts[key] = dict(Counter(row[key] for row in rows))
    conditions = Counter(
        sum(len(step["conditions"]) for step in steps_of(row["ast"])) for row in rows if steps_of(row["ast"])
    )
    counts["conditions"] = {str(key): conditions[key] for key in sorted(conditions)}
    counts["timeframe"] = sum(isinstance(row["ast"], dict) and "timeframe" in row["ast"] for row in rows)
    return counts


def print_cost(counts: dict[str, Any], made: int, asked: int) -> None:
    """What was asked of the teacher, how many rows it did not give, and why answers were rejected."""
    cost = counts["teacher"]
    if cost:  # the embedded teacher has none
        print(
            f"  {cost['calls']} calls, {cost['cache_hits']} from the cache, {cost['retried']} retried, "
            f"{cost['tokens_in']} tokens in, {cost['tokens_out']} out, {cost['seconds']:.0f} s of answering"
        )
    if made < asked:
        print(
            f"  {made} rows in place of {asked}: the teacher gave no more that are new and right; more schemas give more"
        )
    if counts["rejected"]:
        print("  rejected: " + ", ".join(f"{count} {reason}" for reason, count in sorted(counts["rejected"].items())))


def main(argv: list[str] | None = None) -> int:
    extra = argparse.ArgumentParser(add_help=False)
    extra.add_argument("--preview", type=int, metavar="N", help="show the rows of N schemas and write nothing")
    options = parse_options(argv, __doc__, ("run", "teacher", "dataset"), extra)
    layout = Layout(options.run)
    facts = {"dataset": vars(options.dataset), "teacher": teacher_facts(options.teacher)}
    facts |= {key: getattr(options.run, key) for key in ("seed", "languages", "max_samples")}
    with locked(layout.root, "dataset"):
        inputs = [layout.schemas, *([Path(own)] if (own := options.run.examples) and Path(own).is_file() else [])]
        stage = Stage("dataset", VERSION, layout.root, [layout.dataset, layout.rejected], facts, inputs)
        if options.preview is None and not options.force and stage.up_to_date():
            return 0
        schemas = list(read_jsonl(layout.schemas, "build_schemas.py"))
        jobs = planned(schemas[: options.preview], options)
        teacher = make_teacher(options.teacher, options.run, options.dataset)
        if options.preview is not None:  # the teacher stays in memory for the next one
            rows, *_ = make_dataset(jobs, options, teacher)
            for row in rows:
                print(f"{row['language']} {row['current_date']}  {row['query']}\n    {_text(row['ast'])}")
            return 0
        rows, rejected, still_open = make_dataset(jobs, options, teacher)
        cost = teacher.close()
        if still_open:
            write_jsonl(layout.open_schemas, still_open)
            raise UserError(
                f"{len(still_open)} of {len(schemas)} schemas are open: {still_open[0]['reason']}; they are listed in "
                f"{layout.open_schemas}, and the same command asks only what they still lack"
            )
        layout.open_schemas.unlink(missing_ok=True)
        stage.set_aside()
        write_jsonl(layout.rejected, rejected)
        write_jsonl(layout.dataset, rows)
        counts = counts_of(rows, rejected) | {"teacher": cost}
        print_cost(counts, sum(row["teacher"] == teacher.name for row in rows), rows_asked(jobs))
        stage.finish(counts, f"{len(rows)} rows kept, {len(rejected)} answers rejected -> {layout.dataset}")
    return 0


if __name__ == "__main__":
    errors.run(main)
