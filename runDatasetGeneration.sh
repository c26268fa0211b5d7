#!/usr/bin/env bash
# Domain specs, schemas, dataset and corpus. Takes the flags of all stages; each stage takes its own.
#   ./runDatasetGeneration.sh --config config/defaults.json
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
exec ./runAll.sh --until corpus "$@"
