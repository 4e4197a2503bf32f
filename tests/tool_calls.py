# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Call a tool's ``main`` in this process, as a command line would, and restore everything.

A separate process costs seconds of imports. Use one only to test the process itself: signals,
``torchrun``, the imports of ``--help``.

The same as in a separate process:

* ``sys.argv``, the standard streams (UTF-8, with ``buffer`` and ``reconfigure``), the exit status,
  the traceback of an error on the standard error.
* There is no scope, logger, message hub or visualizer of MMEngine yet, and no handler on the root
  logger. The working directory is ``cwd``.
* Afterwards, everything is restored: working directory, environment, ``sys.path``, random states,
  threads of torch and OpenCV, start method of ``multiprocessing``, deterministic algorithms,
  default dtype, handlers and levels of loggers, filters of warnings. Calls may be nested.

Different:

* Modules stay imported, including the tool: ``load_tool(path)`` is the module that runs, and may be
  monkeypatched. Later calls see the registrations of earlier ones.
* Warnings are not printed, as with ``python -W ignore``: pytest collects them.
* Processes that the tool starts write to the streams of pytest, not to the returned ones, and there
  is no standard input.
* After Ctrl-C the status is 130, as in a shell.
"""

import contextlib
import importlib.util
import io
import logging
import os
import sys
import traceback
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

from mmfer.utils.random_state import get_random_state, set_random_state

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Done:
    """Like ``subprocess.CompletedProcess`` with ``text=True``."""

    returncode: int
    stdout: str
    stderr: str


@cache
def load_tool(path: str):
    """Return the module of ``tools/PATH``."""
    spec = importlib.util.spec_from_file_location(path.replace('/', '_'), ROOT / 'tools' / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(path: str, *arguments, cwd=None) -> Done:
    """Run ``python tools/PATH ARGUMENTS`` in this process.

    Errors that would end the process are returned as its exit status and output.

    Args:
        path: Path below ``tools/``.
        arguments: Command-line arguments; converted to strings.
        cwd: Working directory of the call.
    """
    tool = load_tool(path)
    return call_main(tool.main, str(ROOT / 'tools' / path), arguments, cwd)


def call_main(main, name: str, arguments=(), cwd=None) -> Done:
    """Run ``main(arguments)`` as :func:`run_tool` does; ``name`` is the program name."""
    words = [str(word) for word in arguments]
    out, err = _stream('strict'), _stream('backslashreplace')
    with (
        _same_process_state(),
        _loggers_to(out, err),
        _inside(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        sys.argv = [name, *words]
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        except KeyboardInterrupt:
            code = 130
        except Exception:
            traceback.print_exc()
            code = 1
    return Done(code or 0, _text(out), _text(err))


def _stream(errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), 'utf-8', errors, newline='\n', write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode('utf-8', 'surrogateescape')


@contextlib.contextmanager
def _inside(folder):
    before = os.getcwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _same_process_state():
    """Start without MMEngine's globals, and undo what a run changes for the whole process."""
    managers = (MMLogger, MessageHub, Visualizer, DefaultScope)
    # MMEngine stores these by name: a second run of a config would get those of the first run.
    instances = [(manager, dict(manager._instance_dict)) for manager in managers]
    environment, argv, path = dict(os.environ), sys.argv, list(sys.path)
    threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    start_method = torch.multiprocessing.get_start_method(allow_none=True)
    deterministic = torch.are_deterministic_algorithms_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    dtype = torch.get_default_dtype()
    random_state = get_random_state()
    for manager in managers:
        manager._instance_dict.clear()
    try:
        with warnings.catch_warnings(), torch.set_grad_enabled(torch.is_grad_enabled()):
            yield
    finally:
        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers:
                handler.close()
        for manager, before in instances:
            manager._instance_dict.clear()
            manager._instance_dict.update(before)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv, sys.path[:] = argv, path
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv2_threads)
        torch.multiprocessing.set_start_method(start_method, force=True)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)  # its imports take two seconds
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        torch.set_default_dtype(dtype)
        set_random_state(random_state)


@contextlib.contextmanager
def _loggers_to(out, err):
    """Redirect log lines to where a process would print them, also those of existing loggers."""
    loggers = [item for item in logging.root.manager.loggerDict.values() if hasattr(item, 'level')]
    loggers.append(logging.root)
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    disabled = logging.root.manager.disable
    streams = []
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if type(handler) is logging.StreamHandler:
            streams.append((handler, handler.stream))
            handler.stream = out if handler.stream in (sys.stdout, sys.__stdout__) else err
    logging.root.handlers.clear()  # those of pytest; without them, warnings are printed
    try:
        yield
    finally:
        for logger, level, handlers in before:
            if logger.level != level:
                logger.setLevel(level)
            logger.handlers[:] = handlers
        for handler, stream in streams:
            handler.stream = stream
        logging.disable(disabled)
