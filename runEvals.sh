#!/usr/bin/env bash
# Evaluation. Takes every flag of scripts/evaluate_student.py.
#   ./runEvals.sh --adapter outputs/student_runs/gemma3-270m/checkpoint-final --teacher-model gpt-oss:120b
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
exec "$python" scripts/evaluate_student.py "$@"
