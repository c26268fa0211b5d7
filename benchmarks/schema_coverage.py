"""How many real JSON Schemas can be read, enforced while decoding, sampled and said: JSONSchemaBench's maskbench files.

A file holds one schema with instances marked valid and invalid; what stands before `---` in its name is its source
(guidance-ai/jsonschemabench, folder maskbench/data). The grammar is judged by bytes: an instance is accepted when all
of its compact JSON passes and the grammar may end there. It follows the order of a schema's keys, so instances are
written in that order first.

    uv run python benchmarks/schema_coverage.py DIR --sources Github_easy,Glaiveai2K,Handwritten
    uv run python benchmarks/schema_coverage.py DIR --every 10
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import common


class TooLong(Exception):
    """A schema took more than its time."""


def judge_file(name: str, case: dict[str, Any], counts: Counter[str], reasons: Counter[str]) -> None:
    """Count what becomes of one file's schema and instances."""
    from pipeline.errors import UserError
    from pipeline.schemas.asts import SchemaJudge
    from pipeline.schemas.constraints import enforceable, lets_through
    from pipeline.schemas.json_schemas import closed_schema
    from pipeline.schemas.key_order import KeyOrder
    from pipeline.teachers import schema_reader
    from pipeline.teachers.instances import NoInstance, Sampler
    from pipeline.teachers.schema_language import SchemaLanguage

    try:
        schema = closed_schema(name, case["schema"])
    except UserError as error:
        counts["refused"] += 1
        reasons["refused: " + re.sub(r"'[^']*'|\S*\.json", "...", str(error))[:70]] += 1
        return
    counts["read"] += 1
    text, unenforced = enforceable(schema)
    exact = text is not None and not unenforced
    counts["enforced" if exact else "partly enforced" if text is not None else "not enforced"] += 1
    reasons.update(f"not enforced: {keyword}" for keyword in unenforced)
    judge = SchemaJudge(schema)
    order, language = KeyOrder(schema), SchemaLanguage(schema, "en", "object")
    for test in case.get("tests", []):
        instance = order.ordered(test["data"])
        through = text is None or lets_through(text, instance)
        after = through and judge.validator.is_valid(instance)
        kind = "valid" if test["valid"] else "invalid"
        counts[f"{kind} instances"] += 1
        counts[f"{kind} instances, enforced"] += exact
        if test["valid"] and exact and not through:
            counts["valid rejected by the grammar alone"] += 1
            reasons[f"valid rejected: {name}"] += 1
        if not test["valid"] and exact and through:
            counts["invalid accepted by the grammar alone"] += 1
            reasons[f"invalid accepted: {name}"] += 1
        counts["valid rejected after validation"] += test["valid"] and not after
        counts["invalid accepted after validation"] += not test["valid"] and bool(after)
    try:
        rng = random.Random(name)
        instance = Sampler(schema, judge).sample(rng)
    except NoInstance:
        reasons["no instance found"] += 1
        return
    counts["sampled"] += 1
    try:
        read = schema_reader.read(language, language.say(instance, rng))
        counts["said and read back"] += judge.same(read, instance)
    except ValueError:
        reasons["not read back"] += 1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the files")
    parser.add_argument("--sources", help="comma-separated beginnings of file names (default: all)")
    parser.add_argument("--every", type=int, default=1, help="only every so many files")
    parser.add_argument("--seconds", type=float, default=10.0, help="most seconds a schema")
    parser.add_argument("--show", type=int, default=20, help="so many reasons")
    args = parser.parse_args(argv)
    wanted = tuple(args.sources.split(",")) if args.sources else ("",)
    files = [path for path in sorted(args.folder.glob("*.json")) if path.name.startswith(wanted)][:: args.every]

    def stop(*_: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    counts: Counter[str] = Counter(schemas=len(files))
    reasons: Counter[str] = Counter()
    seconds = []
    for path in files:
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, args.seconds)
        try:
            judge_file(path.name, json.loads(path.read_text(encoding="utf-8")), counts, reasons)
        except TooLong:
            counts["too long"] += 1
            reasons[f"too long: {path.name}"] += 1
        except Exception as error:
            counts["crashes"] += 1
            reasons[f"crash: {path.name} {error!r}"[:120]] += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        seconds.append(time.perf_counter() - started)
    shown = dict(reasons.most_common(args.show)) | {
        r: n for r, n in reasons.items() if r.startswith(("crash", "too long"))
    }
    for reason, count in shown.items():
        print(f"  {count:5d}  {reason}")
    ordered = sorted(seconds)
    share = lambda name: round(counts[name] / max(1, counts["schemas"]), 4)
    common.print_result(
        {
            "name": "schema_coverage", "sources": args.sources, "every": args.every, **dict(counts),
            "share_enforced": share("enforced"), "share_sampled": share("sampled"),
            "share_usable": round((counts["enforced"] + counts["partly enforced"]) / max(1, counts["schemas"]), 4),
            "seconds_median": ordered[len(ordered) // 2], "seconds_p99": ordered[int(0.99 * len(ordered))],
            "seconds_worst": ordered[-1],
        }
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
