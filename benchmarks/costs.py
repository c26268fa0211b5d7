"""What an hour of hardware buys: rows an hour of each stage of a finished run, and the hours of 10,000, 1 and 100
million.

Seconds and rows stand in the records beside the run's artifacts; a stage's start-up counts, so that small runs say too
little. `--price` turns hours into money.

    uv run python benchmarks/costs.py outputs/offline
    uv run python benchmarks/costs.py outputs --price 2.5
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import common

WANTED = (10_000, 1_000_000, 100_000_000)


def rates(root: Path) -> list[dict[str, Any]]:
    """{"stage", "rows", "seconds", "rows_an_hour", "peak_memory_mib"} of each stage of the run that has rows, or
    pairs."""
    found = []
    for path in sorted(root.rglob("*.meta.json")):
        if "replaced" in path.relative_to(root).parts:
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        stage = record["facts"]["stage"]
        rows = record["counts"].get("rows") or record["counts"].get("pairs")
        if rows:
            found.append(
                {"stage": stage, "rows": rows, "seconds": record["seconds"], "commit": record["commit"],
                 "rows_an_hour": rows / max(record["seconds"], 0.1) * 3600, "peak_memory_mib": record["peak_memory_mib"]}
            )  # fmt: skip
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="output root of a finished run")
    parser.add_argument("--price", type=float, help="what an hour of the machine costs")
    args = parser.parse_args(argv)
    found = rates(args.root)
    if not found:
        sys.exit(f"error: {args.root} has no records of stages; run ./runAll.sh there first")
    unit, price = ("hours", 1.0) if args.price is None else ("money", args.price)
    print(
        f"{'stage':<20} {'rows':>9} {'rows/hour':>11} {'MiB':>6}  {unit} for " + " ".join(f"{n:>11,}" for n in WANTED)
    )
    for entry in found:
        hours = [wanted / entry["rows_an_hour"] * price for wanted in WANTED]
        print(
            f"{entry['stage']:<20} {entry['rows']:>9,} {entry['rows_an_hour']:>11,.0f} {entry['peak_memory_mib']:>6}"
            f"  {'':<{len(unit)}}     " + " ".join(f"{value:>11,.1f}" for value in hours)
        )
    common.print_result({"name": "costs", "root": args.root.name, "stages": found, **common.machine("cpu")})
    return 0


if __name__ == "__main__":
    sys.exit(main())
