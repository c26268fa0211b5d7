#!/usr/bin/env bash
# The whole chain, each stage only where it is not up to date. Takes the flags of all stages (scripts/check_setup.py
# --help lists them); each stage takes its own.
#   ./runAll.sh --config config/offline.json                      no GPU, no Ollama, no model hub
#   ./runAll.sh --config config/offline.json --schemas examples   your own JSON Schemas
#   ./runAll.sh --teacher-model gpt-oss:20b --learning-rate 2e-4  other options than those of config/defaults.json
#   ./runAll.sh --from training --until evaluation                stages: specs schemas dataset corpus base training
#                                                                 evaluation pairs alignment aligned report
set -euo pipefail

stages=(specs schemas dataset corpus base training evaluation pairs alignment aligned report)
first=specs last=report
flags=()
while [ $# -gt 0 ]; do
  case "$1" in
    --from) first=${2:?--from needs a stage} && shift 2 ;;
    --until) last=${2:?--until needs a stage} && shift 2 ;;
    --from=*) first=${1#*=} && shift ;;
    --until=*) last=${1#*=} && shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) flags+=("$1") && shift ;;
  esac
done
for name in "$first" "$last"; do
  case " ${stages[*]} " in
    *" $name "*) ;;
    *) echo "error: there is no stage $name; stages: ${stages[*]}" >&2 && exit 2 ;;
  esac
done

source "$(dirname "$0")/tools/setup.sh"
export DATASET_GENERATOR_CHAIN=$$

run() {
  "$python" "scripts/$1.py" ${flags[@]+"${flags[@]}"} "${@:2}"
}
"$python" scripts/check_setup.py ${flags[@]+"${flags[@]}"} --from "$first" --until "$last"

running=
for stage in "${stages[@]}"; do
  [ "$stage" = "$first" ] && running=yes
  [ -n "$running" ] || continue
  case "$stage" in
    specs) run generate_domain_specs ;;
    schemas) run build_schemas ;;
    dataset) run generate_dataset ;;
    corpus) run build_training_corpus ;;
    base) run evaluate_student --base --modes free ;;
    training) run train_student ;;
    evaluation) run evaluate_student --model sft ;;
    pairs) run build_alignment_pairs ;;
    alignment) run train_alignment ;;
    aligned) run evaluate_student --model dpo ;;
    report) run report_training ;;
  esac
  [ "$stage" = "$last" ] && break
done
