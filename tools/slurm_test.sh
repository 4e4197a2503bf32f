#!/usr/bin/env bash
# Test on a Slurm cluster.
#
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#       tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of test.py ...]
set -euo pipefail

if [ "$#" -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [options of test.py ...]" >&2
    exit 2
fi
exec "$(dirname "${BASH_SOURCE[0]}")/misc/slurm_run.sh" test.py "$@"
