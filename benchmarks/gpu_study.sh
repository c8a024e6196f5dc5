#!/usr/bin/env bash
# CIFAR-10 with ResNet-18 in minutes on one GPU: seven trainings at once, since each alone leaves most of the GPU idle, and
# each measured on the test images when it is done. About 21 EPOCHS of standard training's work.
#
#   benchmarks/gpu_study.sh cifar10:PATH OUT EPOCHS [SEED]
set -euo pipefail
data=${1:?where CIFAR-10 is: cifar10:PATH or parquet:PATH}
out=${2:?folder for the results}
epochs=${3:?epochs of each training}
seed=${4:-0}
scaat=${SCAAT:-scaat}
export OMP_NUM_THREADS=2
mkdir -p "$out"

# Train under a name with the options that follow, and measure, in the background.
pids=()
start() {
  local name=$1-seed-$seed
  shift
  trained_and_measured "$name" "$@" >"$out/$name.log" 2>&1 &
  pids+=($!)
}
trained_and_measured() {
  local name=$1
  shift
  $scaat train --data "$data" --name CIFAR-10 --model resnet18 --epochs "$epochs" --seed "$seed" --quiet --out "$out/trained/$name" "$@"
  $scaat evaluate "$out/trained/$name" --eval-images 1000 --eval-attributions gradient,smoothgrad,integrated-gradients \
    --eval-also-measure lattice,robustness,calibration --quiet --out "$out/test/$name"
  $scaat evaluate "$out/trained/$name" --eval-images 1000 --eval-attributions gradient --eval-aopc-fraction 0.5 \
    --eval-aopc-steps 10 --eval-aopc-repeats 1 --eval-also-measure lattice --quiet --out "$out/half/$name"
}

fgsm=(--method scaat --scaat.steps 1 --scaat.step-size 80/255 --scaat.weight 2)
# The longest first.
start scaat-weight-5 --method scaat
start scaat-weight-2 --method scaat --scaat.weight 2
start scaat-fgsm-adaptive "${fgsm[@]}"
start scaat-fgsm-fixed "${fgsm[@]}" --no-scaat.adaptive
start saliency-guided --method saliency-guided
start scaat-cheap --method scaat --scaat.steps 0 --scaat.step-size 80/255 --scaat.search-interval 4 --scaat.weight 80 \
  --scaat.ramp-share 1 --no-scaat.adaptive --clip-gradient 2
start standard --method standard
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit "$failed"
