#!/usr/bin/env bash
# CIFAR-10 with ResNet-18 on one GPU: six trainings at once, because one alone does not fill the GPU.
# Each is measured on the test images at its end. Takes as long as 18 EPOCHS of standard training plus
# the evaluations: 8 minutes for 12 EPOCHS on an H100. Stops after MINUTES with checkpoints; the same
# command resumes, and exits with 0 at the end.
#
#   benchmarks/gpu_study.sh cifar10:PATH OUT EPOCHS [SEED] [MINUTES]
set -euo pipefail
data=${1:?where CIFAR-10 is: cifar10:PATH or parquet:PATH}
out=${2:?folder for the results}
epochs=${3:?epochs of each training}
seed=${4:-0}
minutes=${5:-24}
mkdir -p "$out"
export OMP_NUM_THREADS=2

pids=()
start() { # NAME METHOD OPTIONS...: train and measure in the background, unless that is done
  local folder=$out/$1-seed-$seed method=$2 resume=()
  shift 2
  # The settings of results/resnet18, whatever the defaults are.
  if [[ $method == scaat ]]; then set -- --scaat.epsilon 64/255 --no-scaat.random-grid "$@"; fi
  if [[ -e $folder/results.json ]]; then return; fi
  if [[ -e $folder ]]; then resume=(--resume); fi
  timeout --signal=TERM --kill-after=60s "${minutes}m" \
    scaat compare --methods "$method" --clip-gradient 0 "$@" --data "$data" --name CIFAR-10 --model resnet18 --epochs "$epochs" --seed "$seed" \
    --eval-images 1000 --eval-aopc-repeats 1 --eval-attributions gradient --eval-also-measure lattice,robustness,calibration \
    --quiet --out "$folder" "${resume[@]}" >>"$folder.log" 2>&1 &
  pids+=($!)
}
# The longest first.
start scaat-weight-5 scaat --scaat.weight 5 --scaat.steps 4
start scaat-weight-2 scaat --scaat.weight 2 --scaat.steps 4
start scaat-fgsm-weight-2 scaat --scaat.weight 2 --scaat.steps 1 --scaat.step-size 80/255
start saliency-guided saliency-guided
start scaat-fast scaat --scaat.steps 0 --scaat.step-size 80/255 --scaat.search-interval 4 --scaat.weight 80 \
  --scaat.ramp-fraction 1 --no-scaat.adaptive --clip-gradient 2
start standard standard

failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit "$failed"
