"""How figures are written for people."""

from __future__ import annotations

from typing import Any


def percent(value: dict[str, Any]) -> str:
    """A rate with its interval: `83.3 % (74.1 to 89.8)`."""
    if value["rate"] is None:
        return "no rows"
    if value["low"] is None:
        return f"{100 * value['rate']:.1f} % (no interval)"
    return f"{100 * value['rate']:.1f} % ({100 * value['low']:.1f} to {100 * value['high']:.1f})"
