"""Coverage of the 95 % intervals of rates, by simulation: correlated rows inside schemas, few schemas, all rates.

A schema's rate is drawn from a Beta distribution with the wanted mean and intraclass correlation, its rows are
binomial. Baselines beside the interval of `pipeline.statistics.rate`: Wilson on all rows as if independent (what most
reports print), Student's t on schema means, and the percentile bootstrap over schemas.

    uv run python benchmarks/intervals.py
    uv run python benchmarks/intervals.py --simulations 4000 --rows 8
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from statistics import mean, stdev
from typing import Any

import common

SCHEMAS, RATES, CORRELATIONS = (10, 20, 30, 60), (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98), (0.05, 0.2, 0.5)
Outcomes = list[int]


def draw(rng: random.Random, schemas: int, rows: int, rate: float, correlation: float) -> Outcomes:
    """Right answers of each schema."""
    scale = (1 - correlation) / correlation
    found = []
    for _ in range(schemas):
        p = rng.betavariate(rate * scale, (1 - rate) * scale)
        found.append(sum(rng.random() < p for _ in range(rows)))
    return found


def ours(found: Outcomes, rows: int, rng: random.Random) -> tuple[float, float]:
    from pipeline.statistics import rate

    made = rate((str(i), j < right) for i, right in enumerate(found) for j in range(rows))
    return made["low"], made["high"]


def independent(found: Outcomes, rows: int, rng: random.Random) -> tuple[float, float]:
    from pipeline.statistics import wilson

    return wilson(sum(found), rows * len(found), 1.959964)


def student(found: Outcomes, rows: int, rng: random.Random) -> tuple[float, float]:
    from pipeline.statistics import t_quantile

    means = [right / rows for right in found]
    half = t_quantile(0.975, len(means) - 1) * stdev(means) / math.sqrt(len(means))
    return mean(means) - half, mean(means) + half


def bootstrap(found: Outcomes, rows: int, rng: random.Random) -> tuple[float, float]:
    rates = sorted(sum(rng.choices(found, k=len(found))) / (rows * len(found)) for _ in range(200))
    return rates[5], rates[194]


METHODS = {"ours": ours, "Wilson, rows independent": independent, "t on schema means": student, "bootstrap": bootstrap}


def coverage(method: Any, simulations: int, rows: int, case: tuple[int, float, float], seed: str) -> float:
    """Share of simulations whose interval holds the true rate."""
    rng = random.Random(f"{seed}-{case}")
    held = 0
    for _ in range(simulations):
        low, high = method(draw(rng, case[0], rows, case[1], case[2]), rows, rng)
        held += low <= case[1] <= high
    return held / simulations


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000, help="data sets of each case")
    parser.add_argument("--rows", type=int, default=4, help="rows a schema")
    args = parser.parse_args(argv)
    table: dict[str, list[float]] = {name: [] for name in METHODS}
    print("| schemas | rate | " + " | ".join(f"{name}, ICC {c}" for name in ("ours",) for c in CORRELATIONS), end="")
    print(" | " + " | ".join(f"{name} (worst ICC)" for name in list(METHODS)[1:]) + " |")
    for schemas in SCHEMAS:
        for rate in RATES:
            cells = []
            others = {name: [] for name in list(METHODS)[1:]}
            for correlation in CORRELATIONS:
                case = (schemas, rate, correlation)
                made = coverage(ours, args.simulations, args.rows, case, "interval")
                table["ours"].append(made)
                cells.append(f"{100 * made:.1f}")
                for name in others:
                    count = args.simulations // (4 if name == "bootstrap" else 1)
                    others[name].append(coverage(METHODS[name], count, args.rows, case, "interval"))
                    table[name].append(others[name][-1])
            worst = [f"{100 * min(values):.1f}" for values in others.values()]
            print(f"| {schemas} | {rate} | " + " | ".join(cells + worst) + " |", flush=True)
    common.print_result(
        {
            "name": "intervals", "baseline": "Wilson, rows independent", "rows": args.rows,
            "simulations": args.simulations,
            **{f"lowest coverage, {name}": min(values) for name, values in table.items()},
            **{f"mean coverage, {name}": mean(values) for name, values in table.items()},
        }
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
