#!/usr/bin/env bash
# Train in several processes, on GPUs or, where there are none, on CPU cores.
#
#   tools/dist_train.sh CONFIG PROCESSES [options of train.py ...]
#
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
exec "$(dirname "${BASH_SOURCE[0]}")/misc/dist_run.sh" train.py 1 "$@"
