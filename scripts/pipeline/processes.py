"""Several processes of one stage, as `accelerate launch` or torchrun start them: how many, and which one writes."""

from __future__ import annotations

import os


def processes() -> int:
    """Number of processes that share this stage's work."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def main_process() -> bool:
    """Whether this process is the one that prints and writes."""
    return int(os.environ.get("RANK", "0")) == 0
