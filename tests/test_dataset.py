"""What the dataset stage keeps of a schema's requests."""

from __future__ import annotations

import difflib

import pytest

from generate_dataset import Kept


@pytest.mark.parametrize(
    ("query", "meaning", "repeats"),
    [
        ("Paid orders, above 100!", "another", True),
        ("paid orders above 1000", "one", True),
        ("paid orders above 1000", "another", False),
        ("orders that were paid", "one", False),
    ],
    ids=["the same words", "almost, of one meaning", "almost, of another meaning", "other words"],
)
def test_a_request_repeats_one_of_the_same_words_or_almost_of_the_same_meaning(query, meaning, repeats):
    kept = Kept()
    kept.add("paid orders above 100", "one")
    assert kept.repeats(query, meaning) == repeats


def test_a_request_is_compared_with_those_of_its_own_meaning_alone(monkeypatch):
    compared = []

    class Counted(difflib.SequenceMatcher):
        def set_seq1(self, other):
            compared.append(other)
            super().set_seq1(other)

    kept = Kept()
    for number in range(1000):
        kept.add(f"number {number}", str(number % 100))
    monkeypatch.setattr(difflib, "SequenceMatcher", Counted)
    assert not kept.repeats("something else", "7")
    assert len([other for other in compared if other]) == 10
