"""Small helpers of several tests."""

from __future__ import annotations

import json
from functools import cache
from types import SimpleNamespace
from typing import Any

from pipeline.config import DEFAULTS, complete_sections
from pipeline.paths import CONFIG_DIR


def dataset_options(**changes: Any) -> SimpleNamespace:
    """The dataset section of the defaults with changes."""
    return SimpleNamespace(**complete_sections(DEFAULTS)["dataset"] | changes)


def make_schemas(count: int, seed: int) -> list[dict[str, Any]]:
    """Train rows of d_02 from the shipped domains."""
    from build_schemas import build

    sections = complete_sections(DEFAULTS)
    options = SimpleNamespace(**sections["schemas"] | {"train_schemas": count})
    options.validation_schemas = options.align_schemas = options.test_schemas = options.new_word_schemas = 0
    return build(domain_specs(), options, SimpleNamespace(**sections["run"] | {"seed": seed}))


@cache
def domain_specs() -> list[dict[str, Any]]:
    """The shipped domains."""
    return [json.loads(line) for line in (CONFIG_DIR / "domains.jsonl").read_text(encoding="utf-8").splitlines()]
