#!/usr/bin/env bash
# Train on a Slurm cluster.
#
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#       tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of train.py ...]
#
# train_dataloader.batch_size is the batch size per GPU. The log shows the total batch size and the learning
# rate that fits it ("Batch: ...").
set -euo pipefail

if [ "$#" -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [options of train.py ...]" >&2
    exit 2
fi
exec "$(dirname "${BASH_SOURCE[0]}")/misc/slurm_run.sh" train.py "$1" "$2" "$3" --work-dir "${@:4}"
