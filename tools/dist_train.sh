#!/usr/bin/env bash
# Train in several processes, on GPUs or, where there are none, on CPU cores.
#
#   tools/dist_train.sh CONFIG PROCESSES [options of train.py ...]
#
# Each process has batches of train_dataloader.batch_size images of its own, so a step of two has twice as
# many; the log says how many, and which learning rate goes with them ("Batch: ...").
#
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
exec "$(dirname "${BASH_SOURCE[0]}")/misc/dist_run.sh" train.py 1 "$@"
