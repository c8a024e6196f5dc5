#!/usr/bin/env bash
# The paper's CIFAR-10 experiments at full scale, in parts, for a GPU that is free for 25 minutes at a
# time. Each call resumes, stops after MINUTES with a checkpoint, and exits with 0 at the end.
#
#   benchmarks/cifar10_study.sh cifar10:PATH OUT [MINUTES] [EXPERIMENT...]
set -euo pipefail
data=${1:?where CIFAR-10 is: cifar10:PATH or parquet:PATH}
out=${2:?folder for the results}
minutes=${3:-24}
shift $(($# < 3 ? $# : 3))
resume=()
if [[ -e $out/reproduce.yaml ]]; then resume=(--resume); fi
timeout --signal=TERM --kill-after=60s "${minutes}m" \
  scaat reproduce "$@" --scale full --data "cifar10=$data" --out "$out" "${resume[@]}"
