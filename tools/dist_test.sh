#!/usr/bin/env bash
# Test in several processes, on GPUs or, if there are none, on CPU cores.
#
#   tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of test.py ...]
#
# For several machines, set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
exec "$(dirname "${BASH_SOURCE[0]}")/misc/dist_run.sh" test.py 2 "$@"
