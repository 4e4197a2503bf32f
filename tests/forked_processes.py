# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Python processes that start without the seconds of imports, and without a GPU.

They are forked from a server that has imported everything once. Pytest itself cannot be forked:
autograd does not survive a fork of a process that has used it, and OpenCV's threads do not either.
"""

import multiprocessing
import os
import runpy
import signal
import socket
import sys
import tempfile
import warnings
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import torch
from mmengine.registry import DefaultScope
from printed_configs import unformatted
from tool_calls import Done, run_tool
from torch.multiprocessing import start_processes

_SERVER = multiprocessing.get_context('forkserver')
_SERVER.set_forkserver_preload(
    ['mmfer.apis', 'mmfer.datasets', 'mmfer.engine.launch', 'mmfer.evaluation', 'mmfer.models']
)


class Python:
    """Run ``python -W ignore ARGUMENTS`` in a process that can be stopped.

    Args:
        arguments: A script or ``-c CODE``, and its arguments.
        cwd: Working directory. Defaults to that of pytest.
        env: The complete environment. Defaults to that of pytest.
    """

    def __init__(self, *arguments, cwd=None, env=None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        words = [str(word) for word in arguments]
        work = (words, cwd or os.getcwd(), dict(os.environ if env is None else env))
        start_server()
        self._process = _SERVER.Process(target=_run, args=(*work, self._folder.name))
        self._process.start()

    def is_running(self) -> bool:
        return self._process.is_alive()

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def wait(self) -> Done:
        """Wait for its end. The status is negative after a signal, as in ``subprocess``."""
        self._process.join(300)
        self._process.kill()
        self._process.join()
        with self._folder:
            texts = [Path(self._folder.name, name).read_text() for name in ('out', 'err')]
        return Done(self._process.exitcode, *texts)


def start_server() -> None:
    """Start the server, unless it runs. It has no GPU, since MMEngine checks for one on import."""
    with mock.patch.dict(os.environ, CUDA_VISIBLE_DEVICES=''):
        forkserver.ensure_running()


def run_python(*arguments, **options) -> Done:
    """Run :class:`Python` until it ends."""
    return Python(*arguments, **options).wait()


def _run(words, cwd, environment, folder):
    for number, name in ((1, 'out'), (2, 'err')):
        os.dup2(os.open(f'{folder}/{name}', os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    # Processes that a shell starts in the background ignore SIGINT, and tests may be among them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment, CUDA_VISIBLE_DEVICES='')
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    if words[0] == '-c':
        sys.argv = ['-c', *words[2:]]
        exec(compile(words[1], '<string>', 'exec'), {'__name__': '__main__'})
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name='__main__')


def run_pair(function, *arguments) -> None:
    """Call ``function(rank, *arguments)`` in processes of rank 0 and 1.

    ``torch.distributed.init_process_group('gloo')`` connects them.

    Args:
        function: Defined in a test file.

    Raises:
        ProcessRaisedException: One of them failed; contains its traceback.
    """
    start_server()
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    file = function.__code__.co_filename
    work = (port, file, function.__name__, arguments)
    start_processes(_one_of_a_pair, work, nprocs=2, start_method='forkserver')


def train_pair(*arguments, cwd) -> None:
    """Run ``train.py ARGUMENTS`` in two processes, as ``mim train --launcher pytorch`` does."""
    run_pair(_train, arguments, cwd)


def _train(rank, arguments, cwd):
    # torch.distributed.launch, which mim calls, also passes the rank as an option.
    given = (f'--local-rank={rank}', *arguments, '--launcher', 'pytorch')
    done = run_tool('train.py', *given, cwd=cwd)
    assert done.returncode == 0, done.stderr


def _one_of_a_pair(rank, port, file, name, arguments):
    torch.set_num_threads(1)
    variables = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, RANK=rank, LOCAL_RANK=rank)
    os.environ.update({key: str(value) for key, value in variables.items()}, WORLD_SIZE='2')
    # Pytest may have imported the file under a name that is unknown here.
    function = runpy.run_path(file)[name]
    try:
        with DefaultScope.overwrite_default_scope('mmfer'), unformatted():
            function(rank, *arguments)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
