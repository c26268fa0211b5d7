"""Rates with intervals that take rows of one schema as one cluster, and paired differences."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

EFFECT_UNSEEN = 1.25
LEAST_EFFECT = 0.5


def t_quantile(p: float, df: int) -> float:
    """Quantile of Student's t: Hill's expansion (1970, CACM algorithm 396), exact enough beyond 3 degrees."""
    if df == 1:
        return math.tan(math.pi * (p - 0.5))
    if df == 2:
        a = 4 * p * (1 - p)
        return 2 * (p - 0.5) * math.sqrt(2 / a)
    z = NormalDist().inv_cdf(p)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g1 / df + g2 / df**2 + g3 / df**3 + g4 / df**4


def wilson(successes: float, rows: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a rate; `rows` may be an effective number."""
    p = successes / rows
    centre = (p + quantile**2 / (2 * rows)) / (1 + quantile**2 / rows)
    half = quantile / (1 + quantile**2 / rows) * math.sqrt(p * (1 - p) / rows + quantile**2 / (4 * rows**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def rate(outcomes: Iterable[tuple[str, bool]], confidence: float = 0.95) -> dict[str, float | None]:
    """{"rate", "low", "high"} of (cluster, success) outcomes.

    Wilson's interval on the effective number of rows: the design effect comes from the variance between clusters (Kish
    1965), the quantile from Student's t with clusters - 1 degrees of freedom, or with 5 or 6 where the rarer outcome
    occurs in one or two clusters only, whose variance says little. At 0 and 1, where there is no variance to see, the
    design effect is taken as EFFECT_UNSEEN. No interval for fewer than two clusters. The choice is by simulation:
    benchmarks/intervals.py, docs/METRICS.md.
    """
    clusters: dict[str, list[int]] = {}
    for cluster, success in outcomes:
        sizes = clusters.setdefault(cluster, [0, 0])
        sizes[0] += bool(success)
        sizes[1] += 1
    rows = sum(n for _, n in clusters.values())
    if not rows:
        return {"rate": None, "low": None, "high": None}
    successes = sum(x for x, _ in clusters.values())
    p, m = successes / rows, len(clusters)
    if m < 2:
        return {"rate": p, "low": None, "high": None}
    rare = sum(x > 0 if p <= 0.5 else x < n for x, n in clusters.values())
    quantile = t_quantile(0.5 + confidence / 2, min(m - 1, rare + 4) if 0 < rare <= 2 else m - 1)
    effective = rows / EFFECT_UNSEEN
    if 0 < p < 1:
        variance = m / (m - 1) * sum((x - p * n) ** 2 for x, n in clusters.values()) / rows**2
        effective = rows / max(LEAST_EFFECT, variance / (p * (1 - p) / rows))
    low, high = wilson(p * effective, effective, quantile)
    return {"rate": p, "low": low, "high": high}


def paired_difference(pairs: Iterable[tuple[str, float, float]], seed: int = 0, flips: int = 4000) -> dict[str, Any]:
    """Second minus first over (cluster, first, second): difference, 95 % t interval over clusters, sign-flip p
    value."""
    clusters: dict[str, list[float]] = {}
    for cluster, first, second in pairs:
        sizes = clusters.setdefault(cluster, [0.0, 0.0])
        sizes[0] += second - first
        sizes[1] += 1
    rows, m = sum(n for _, n in clusters.values()), len(clusters)
    if not rows:
        return {"difference": None, "low": None, "high": None, "p": None, "rows": 0, "schemas": 0}
    difference = sum(d for d, _ in clusters.values()) / rows
    result: dict[str, Any] = {"difference": difference, "low": None, "high": None, "p": None}
    result |= {"rows": int(rows), "schemas": m}
    if m >= 2:
        variance = m / (m - 1) * sum((d - difference * n) ** 2 for d, n in clusters.values()) / rows**2
        half = t_quantile(0.975, m - 1) * math.sqrt(variance)
        rng = random.Random(seed)
        sums = [d for d, _ in clusters.values()]
        extreme = sum(
            abs(sum(d if rng.random() < 0.5 else -d for d in sums)) >= abs(sum(sums)) - 1e-12 for _ in range(flips)
        )
        result |= {"low": difference - half, "high": difference + half, "p": (extreme + 1) / (flips + 1)}
    return result
