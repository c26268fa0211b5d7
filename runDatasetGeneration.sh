#!/usr/bin/env bash
# Domain specs, schemas, dataset and corpus. Flags that all stages share go to each of them; others: run a script itself.
#   ./runDatasetGeneration.sh --config config/defaults.json
set -euo pipefail
source "$(dirname "$0")/tools/setup.sh"
exec ./runAll.sh --until corpus "$@"
