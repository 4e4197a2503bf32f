# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Two processes that train together, without the seconds that their imports would take.

They are forked from a server which has imported everything once. A fork of pytest itself could not
train: autograd does not survive a fork of a process that has used it.
"""

import multiprocessing
import os
import runpy
import socket

import torch
from mmengine.registry import DefaultScope
from printed_configs import unformatted
from tool_calls import run_tool
from torch.multiprocessing import start_processes

multiprocessing.set_forkserver_preload(['mmfer.engine', 'mmfer.engine.launch', 'mmfer.models'])


def run_pair(function, *arguments) -> None:
    """Call ``function(rank, *arguments)`` in processes of rank 0 and 1, without a GPU.

    ``torch.distributed.init_process_group('gloo')`` connects them.

    Args:
        function: One of a test file's own.

    Raises:
        ProcessRaisedException: One of them failed; with its traceback.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    file = function.__code__.co_filename
    work = (port, file, function.__name__, arguments)
    start_processes(_one_of_a_pair, work, nprocs=2, start_method='forkserver')


def train_pair(*arguments, cwd) -> None:
    """``train.py ARGUMENTS --launcher pytorch`` in two processes, as ``torchrun`` starts them."""
    run_pair(_train, arguments, cwd)


def _train(rank, arguments, cwd):
    done = run_tool('train.py', *arguments, '--launcher', 'pytorch', cwd=cwd)
    assert done.returncode == 0, done.stderr


def _one_of_a_pair(rank, port, file, name, arguments):
    torch.set_num_threads(1)
    variables = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, RANK=rank, LOCAL_RANK=rank)
    os.environ.update({key: str(value) for key, value in variables.items()}, WORLD_SIZE='2')
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    # The file may have been imported under a name that only pytest knows.
    function = runpy.run_path(file)[name]
    try:
        with DefaultScope.overwrite_default_scope('mmfer'), unformatted():
            function(rank, *arguments)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
