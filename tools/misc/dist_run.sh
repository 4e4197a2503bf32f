#!/usr/bin/env bash
# Shared by dist_train.sh and dist_test.sh: run a tool in several processes with torchrun.
#
#   dist_run.sh TOOL COUNT ARG_1 .. ARG_COUNT PROCESSES [options ...]
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=$1 count=$2
shift 2
if [ "$#" -le "$count" ]; then
    sed -n '4s/^# *//p' "$tools/dist_${tool%.py}.sh" | sed 's/^/usage: /' >&2
    exit 2
fi
positional=("${@:1:count}")
shift "$count"
processes=$1
shift

# Without PORT, a free one is used; several machines must use the same one.
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    PORT=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
fi
# Divide the cores among the processes; torchrun would set one thread per process.
cores=$(python -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
share=$((cores / processes))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((share > 0 ? share : 1))}
export PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}"

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" \
    "$tools/$tool" "${positional[@]}" --launcher pytorch "$@"
