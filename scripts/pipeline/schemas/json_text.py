"""How JSON is written wherever a student reads or writes it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_TEXT_OR_SMALL = re.compile(r'"(?:[^"\\]|\\.)*"|[0-9.]+e-[0-9]+')
"""A string of JSON, or a number near zero as Python writes it."""


def minify(value: Any) -> str:
    """Compact JSON in the order of its keys: the one spelling of schemas and answers everywhere.

    Numbers near zero are written out (0.000001, not 1e-06): grammars of numbers with bounds know no exponents.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "e-" not in text:
        return text
    written_out = lambda found: found[0] if found[0][0] == '"' else format(Decimal(found[0]), "f")
    return _TEXT_OR_SMALL.sub(written_out, text)
