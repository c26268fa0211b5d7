"""Small helpers of several tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pipeline.config import DEFAULTS, complete_sections


def dataset_options(**changes: Any) -> SimpleNamespace:
    """The dataset section of the defaults with changes."""
    return SimpleNamespace(**complete_sections(DEFAULTS)["dataset"] | changes)
