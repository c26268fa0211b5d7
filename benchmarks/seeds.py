"""Models compared over several seeds: right and valid answers pooled, and paired differences from one of them.

By split, and over the splits programs and refusals apart. Of the one also what is right in each language, and what is
wrong.

Every root is the output root of a run with a seed of its own; a model is a folder of its `eval/`. Schemas of different
roots are different clusters; rows are paired within a root.

    uv run python benchmarks/seeds.py outputs/s42 outputs/s43 outputs/s44 --models base sft dpo --against sft
    uv run python benchmarks/seeds.py outputs/learning/s4?-27x24 --run-name updates-81 --models sft  # one run of several
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

MODE = "free"


def results(root: Path, model: str, run: str = "*") -> dict[tuple[str, str], dict[str, Any]]:
    """(root, row_id) -> evaluation row of a model, free decoding. Exits where the root has not one such evaluation."""
    found = list(root.glob(f"student_runs/{run}/eval/{model}/evaluation_results.jsonl"))
    if len(found) != 1:
        sys.exit(
            f"error: {root} has {len(found)} evaluations of {model} in place of one; run evaluate_student.py there"
        )
    rows = map(json.loads, found[0].read_text(encoding="utf-8").splitlines())
    return {(root.name, row["row_id"]): row for row in rows if row["mode"] == MODE}


def parts_of(splits: list[str]) -> list[tuple[str, Callable[[dict[str, Any]], bool], str]]:
    """What is compared: each split, and over all of them programs and refusals: (name, whether a row is of it, metric).

    Refusals are compared to the letter and by whether they are refusals at all.
    """
    of_split = lambda split: lambda row: row["split"] == split
    of_kind = lambda kind: lambda row: row["kind"] == kind and row["split"] in splits
    return [(split, of_split(split), "exact_match") for split in splits] + [
        ("programs", of_kind("program"), "exact_match"),
        ("refusals", of_kind("refusal"), "exact_match"),
        ("refused", of_kind("refusal"), "semantic_match"),
    ]


def compare(
    pooled: dict[str, dict[tuple[str, str], dict[str, Any]]], against: str, splits: list[str]
) -> list[dict[str, Any]]:
    """Right and valid rows of each model, pooled, in each of `parts_of`, paired with `against`; printed, too."""
    from pipeline.statistics import paired_difference, rate
    from pipeline.tables import percent

    table, width = [], max(map(len, pooled))
    cluster = lambda key, row: f"{key[0]} {row['schema_id']}"
    for part, inside, metric in parts_of(splits):
        for model, found in pooled.items():
            mine = {key: row for key, row in found.items() if inside(row)}
            right = rate((cluster(k, row), bool(row[metric])) for k, row in mine.items())
            valid = rate((cluster(k, row), bool(row["schema_valid"])) for k, row in mine.items())
            other = pooled[against]
            difference = paired_difference(
                (cluster(k, row), bool(other[k][metric]), bool(row[metric])) for k, row in mine.items() if k in other
            )
            said = f"{part:<10} {model:<{width}} {metric.removesuffix('_match')} {percent(right)}  valid {percent(valid)}  ({len(mine)} rows)"
            if model != against and difference["low"] is not None:
                low, high = (100 * difference[side] for side in ("low", "high"))
                said += f"  minus {against} {100 * difference['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
            print(said)
            entry = {"part": part, "metric": metric, "model": model, "right": right, "valid": valid}
            table.append(entry | {"difference": difference})
    return table


def by_language(found: dict[tuple[str, str], dict[str, Any]], splits: list[str]) -> dict[str, dict[str, Any]]:
    """Exact match of the pooled rows of these splits in each language; printed, too."""
    from pipeline.statistics import rate
    from pipeline.tables import percent

    table = {}
    for language in sorted({row["language"] for row in found.values()}):
        mine = [
            (f"{root} {row['schema_id']}", bool(row["exact_match"]))
            for (root, _), row in found.items()
            if row["language"] == language and row["split"] in splits
        ]
        table[language] = rate(mine)
        print(f"{language} exact {percent(table[language])}  ({len(mine)} rows of {', '.join(splits)})")
    return table


def failures(found: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Pooled rows of refusals and of programs by their conditions: class of failure (`right` where none) -> rows."""
    counted: dict[str, Counter[str]] = {}
    for row in found.values():
        kind = "refusal" if row["kind"] == "refusal" else f"conditions: {row['conditions']}"
        counted.setdefault(kind, Counter())[row["failure"] or "right"] += 1
    return {kind: dict(counts.most_common()) for kind, counts in sorted(counted.items())}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", type=Path)
    parser.add_argument("--models", nargs="+", default=["base", "sft", "dpo"])
    parser.add_argument("--against", default="sft")
    parser.add_argument("--run-name", default="*", help="name of the run, where a root has several")
    parser.add_argument("--splits", nargs="+", default=["test_seen", "test", "new_words"])
    args = parser.parse_args(argv)
    pooled = {
        model: {k: v for root in args.roots for k, v in results(root, model, args.run_name).items()}
        for model in args.models
    }
    if args.against not in pooled:
        parser.error(f"--against {args.against} is not among --models {' '.join(args.models)}")
    table = compare(pooled, args.against, args.splits)
    languages = by_language(pooled[args.against], args.splits)
    wrong = failures({k: v for k, v in pooled[args.against].items() if v["split"] in args.splits})
    for kind, counts in wrong.items():
        print(f"{args.against}, {kind}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    common.print_result(
        {
            "name": "seeds",
            "roots": [root.name for root in args.roots],
            "mode": MODE,
            "table": table,
            "languages": languages,
            "failures": wrong,
        }
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
