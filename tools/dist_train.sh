#!/usr/bin/env bash
# Train in several processes, on GPUs or, if there are none, on CPU cores.
#
#   tools/dist_train.sh CONFIG PROCESSES [options of train.py ...]
#
# train_dataloader.batch_size is the batch size per process, so two processes double the total batch size.
# The log shows the total and the learning rate that fits it ("Batch: ...").
#
# For several machines, set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
exec "$(dirname "${BASH_SOURCE[0]}")/misc/dist_run.sh" train.py 1 "$@"
