"""Progress of long work: a bar with rate and time left on a terminal, plain lines now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any


class Progress:
    """Counts towards `total` units."""

    def __init__(self, total: int, what: str, seconds_between_lines: float = 15.0) -> None:
        from tqdm import tqdm

        self.total, self.what, self.every = total, what, seconds_between_lines
        self.done, self.started = 0, time.monotonic()
        self.last_line = self.started
        self.bar: Any = tqdm(total=total, desc=what, leave=False, dynamic_ncols=True) if sys.stderr.isatty() else None

    def update(self, count: int = 1, note: str = "") -> None:
        """Count `count` more units done; `note` is shown behind them."""
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
            if note:
                self.bar.set_postfix_str(note)
            return
        now = time.monotonic()
        if now - self.last_line >= self.every:
            self.last_line = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate if rate else 0.0
            pace = f"{rate:.1f}/s" if rate >= 1 or not rate else f"{1 / rate:.1f} s each"
            said = f"{self.done} of {self.total}, {pace}, {left:.0f} s left{' - ' if note else ''}{note}"
            print(f"  {self.what}: {said}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()


def progress[T](items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Iterate with progress; the number of items is taken from `total` or from their length."""
    count = total if total is not None else len(items)  # type: ignore[arg-type]
    bar = Progress(count, what)
    try:
        for item in items:
            yield item
            bar.update()
    finally:
        bar.close()
