"""Intervals and paired differences."""

from __future__ import annotations

import random

import pytest

from pipeline.statistics import paired_difference, rate, t_quantile, wilson
from report_training import said_differences


@pytest.mark.parametrize(
    ("df", "expected"), [(1, 12.706), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423), (200, 1.9719)]
)
def test_t_quantiles_are_those_of_the_tables(df, expected):
    assert t_quantile(0.975, df) == pytest.approx(expected, rel=5e-3)


def test_wilson_equals_the_published_example():
    # 81 of 263, z = 1.96: Newcombe 1998, table I, (0.2553, 0.3662)
    assert wilson(81, 263, 1.96) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_clusters_widen_the_interval():
    alike = [(str(c), c % 2 == 0) for c in range(20) for _ in range(10)]
    mixed = [(str(c), i % 2 == 0) for c in range(20) for i in range(10)]
    width = lambda r: r["high"] - r["low"]
    assert width(rate(alike)) > 2 * width(rate(mixed))
    assert rate(alike)["rate"] == rate(mixed)["rate"] == 0.5


def test_rates_of_zero_and_one_have_intervals_and_one_cluster_has_none():
    assert rate((str(c), False) for c in range(20))["low"] == pytest.approx(0)
    assert rate((str(c), False) for c in range(20))["high"] > 0.1
    assert rate((str(c), True) for c in range(20))["low"] < 0.9
    assert rate([("a", True), ("a", False)]) == {"rate": 0.5, "low": None, "high": None}
    assert rate([])["rate"] is None


def test_coverage_of_clustered_rates_is_near_95_percent():
    rng = random.Random(1)
    for schemas, p in ((20, 0.5), (30, 0.8), (60, 0.2)):
        covered = 0
        for _ in range(400):
            outcomes = []
            for cluster in range(schemas):
                mine = rng.betavariate(p * 4, (1 - p) * 4)
                outcomes += [(str(cluster), rng.random() < mine) for _ in range(8)]
            found = rate(outcomes)
            covered += found["low"] <= p <= found["high"]
        assert 0.92 <= covered / 400 <= 0.985, (schemas, p, covered)


def test_a_planted_difference_is_found_and_none_is_not_invented():
    rng = random.Random(2)
    found = [
        paired_difference([(str(c), rng.random() < 0.5, rng.random() < 0.5) for c in range(30) for _ in range(8)])
        for _ in range(60)
    ]
    wrong = sum(d["low"] > 0 or d["high"] < 0 for d in found)
    assert wrong <= 8
    better = paired_difference([(str(c), rng.random() < 0.4, rng.random() < 0.7) for c in range(30) for _ in range(8)])
    assert better["low"] > 0
    assert better["p"] < 0.01
    assert paired_difference([])["difference"] is None


@pytest.mark.parametrize(
    ("low", "high", "p", "said"),
    [
        (0.01, 0.2, 0.01, "better"),
        (-0.2, -0.01, 0.01, "worse"),
        (0.01, 0.2, 0.12, "no difference shown"),
        (-0.01, 0.2, 0.01, "no difference shown"),
        (0.0, 0.0, 1.0, "no difference shown"),
    ],
)
def test_a_report_calls_a_model_better_only_where_interval_and_sign_flip_test_agree(low, high, p, said):
    difference = {"difference": (low + high) / 2, "low": low, "high": high, "p": p}
    (line,) = said_differences({"sft minus base": {"test": difference}})
    assert line.endswith(f": {said}.")
