#!/usr/bin/env bash
# The tests, after their own set-up: the fast tier, or every tier with --slow. Other arguments go to pytest; with -n 0 it
# runs in one process.
#   ./runTests.sh
#   ./runTests.sh --slow
#   ./runTests.sh tests/test_language.py -x -n 0
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
tier="not slow"
if [ "${1:-}" = "--slow" ]; then
  shift
  tier=""
fi
exec "$python" -m pytest -n logical --maxprocesses 4 --dist loadfile -m "$tier" "$@"
