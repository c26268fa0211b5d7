#!/usr/bin/env bash
# The tests, after their own set-up: the fast tier, or every tier with --slow. Other arguments go to pytest.
#   ./runTests.sh
#   ./runTests.sh --slow
#   ./runTests.sh tests/test_language.py -x
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
if [ "${1:-}" = "--slow" ]; then
  shift
  exec "$python" -m pytest "$@"
fi
exec "$python" -m pytest -m "not slow" "$@"
