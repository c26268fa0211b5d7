"""The formats of JSON Schema that answers are checked for: all of them.

jsonschema checks `iri` by a grammar that takes two seconds to import, and `duration` by a calendar; here they are what
the specifications say, a mapping and a regular expression.
"""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from rfc3986_validator import validate_rfc3986

_TIME = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_DATE = "(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)"
DURATION = re.compile(f"P(?:{_DATE}(?:{_TIME})?|{_TIME}|[0-9]+W)")
"""ISO 8601 durations as RFC 3339, appendix A, has them."""

FORMATS = FormatChecker(())
"""Checkers by format; strings alone are checked, of formats that are known."""
FORMATS.checkers = dict(Draft202012Validator.FORMAT_CHECKER.checkers)


@FORMATS.checks("duration")
def is_duration(value: Any) -> bool:
    """Whether a string is a duration, `P1DT2H` or `P3W`."""
    return not isinstance(value, str) or DURATION.fullmatch(value) is not None


def _is_resource(value: Any, rule: str) -> bool:
    if not isinstance(value, str):
        return True
    mapped = re.sub("[\u00a0-\U0010ffff]", lambda found: "%" + found[0].encode("utf-8", "replace").hex("%"), value)
    return not mapped.endswith("\n") and bool(validate_rfc3986(mapped, rule=rule))


@FORMATS.checks("iri")
def is_iri(value: Any) -> bool:
    """Whether a string is an IRI: a URI once its other letters are percent-encoded (RFC 3987, section 3.1)."""
    return _is_resource(value, "URI")


@FORMATS.checks("iri-reference")
def is_iri_reference(value: Any) -> bool:
    """Whether a string is an IRI or a relative reference."""
    return _is_resource(value, "URI_reference")
