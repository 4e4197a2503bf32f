#!/usr/bin/env bash
# Train on a Slurm cluster.
#
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#       tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of train.py ...]
#
# Each of the GPUs has batches of train_dataloader.batch_size images of its own; the log says how many a
# step has, and which learning rate goes with them ("Batch: ...").
set -euo pipefail

if [ "$#" -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [options of train.py ...]" >&2
    exit 2
fi
exec "$(dirname "${BASH_SOURCE[0]}")/misc/slurm_run.sh" train.py "$1" "$2" "$3" --work-dir "${@:4}"
