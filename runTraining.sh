#!/usr/bin/env bash
# SFT. Takes every flag of scripts/train_student.py.
#   ./runTraining.sh --config config/defaults.json --learning-rate 2e-4
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
exec "$python" scripts/train_student.py "$@"
