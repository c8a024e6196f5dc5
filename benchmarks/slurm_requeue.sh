#!/bin/bash
# A job of two tasks that resumes by itself after SLURM's warning or a requeue. Submit it twice:
#
#   OUT=runs/whole sbatch --output=whole.out benchmarks/slurm_requeue.sh
#   OUT=runs/cut sbatch --output=cut.out benchmarks/slurm_requeue.sh
#
# and stop the second while it trains, by `scancel --signal=USR1 JOB` (what --signal sends before the
# time is over) and by `scontrol requeue JOB` (what a preemption does). Both runs then have the same
# weights, proportions and logs.
#
#SBATCH --job-name=scaat --nodes=1 --ntasks-per-node=2 --requeue --open-mode=append
#SBATCH --time=10 --signal=SIGUSR1@60
export OMP_NUM_THREADS=1
echo "start, restart count ${SLURM_RESTART_COUNT:-0}"
srun scaat train --data digits --method scaat --scaat.steps 1 --epochs 6 --train-limit 600 \
  --batch-size 32 --checkpoint-every 7 --out "$OUT" $([ -d "$OUT/checkpoints" ] && echo --resume)
status=$?
echo "srun ended with $status"
# 138 is 128 + SIGUSR1: a checkpoint was written. Anything else is an error or the end.
[ $status -eq 138 ] && scontrol requeue "$SLURM_JOB_ID"
exit $status
