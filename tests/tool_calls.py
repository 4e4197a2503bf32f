# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Call a tool's ``main`` in this process, as a command line would, and put everything back.

A process of its own costs seconds of imports. Use one only where the process is the point: signals,
``torchrun``, what is imported by ``--help``.
"""

import contextlib
import importlib.util
import io
import logging
import os
import random
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Done:
    """As ``subprocess.CompletedProcess`` of a tool that was run with ``text=True``."""

    returncode: int
    stdout: str
    stderr: str


@cache
def load_tool(path: str):
    """The module of ``tools/PATH``."""
    spec = importlib.util.spec_from_file_location(path.replace('/', '_'), ROOT / 'tools' / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(path: str, *arguments, cwd=None) -> Done:
    """Run ``python tools/PATH ARGUMENTS`` in this process.

    Errors that would end the process are returned as its status and what it would have printed.

    Args:
        path: Below ``tools/``.
        arguments: Turned into strings.
        cwd: Folder to be in meanwhile.
    """
    tool = load_tool(path)
    return call_main(tool.main, str(ROOT / 'tools' / path), arguments, cwd)


def call_main(main, name: str, arguments=(), cwd=None) -> Done:
    """Run ``main(arguments)`` as :func:`run_tool` does; ``name`` is the program's."""
    out, err = io.StringIO(), io.StringIO()
    with (
        _same_process_state(),
        _inside(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _loggers_to(out, err),
    ):
        sys.argv = [name, *map(str, arguments)]
        try:
            code = main([str(word) for word in arguments])
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
    return Done(code or 0, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _inside(cwd):
    before = os.getcwd()
    os.chdir(cwd or before)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _same_process_state():
    """Undo what a run changes for the whole process: loggers, scopes, seeds, variables."""
    managers = (MMLogger, MessageHub, Visualizer, DefaultScope)
    # MMEngine keeps these by name: a second run of a config would get the first one's.
    instances = [(manager, dict(manager._instance_dict)) for manager in managers]
    environment, argv = dict(os.environ), sys.argv
    threads, disabled = torch.get_num_threads(), logging.root.manager.disable
    deterministic = torch.are_deterministic_algorithms_enabled()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    for manager in (MMLogger, MessageHub, Visualizer):
        manager._instance_dict.clear()
    try:
        yield
    finally:
        for manager, before in instances:
            manager._instance_dict.clear()
            manager._instance_dict.update(before)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = argv
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        logging.disable(disabled)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@contextlib.contextmanager
def _loggers_to(out, err):
    """Let log lines go where a process would print them, whenever the logger was made."""
    handlers = []
    for logger in list(logging.root.manager.loggerDict.values()) + [logging.root]:
        for handler in getattr(logger, 'handlers', ()):
            if type(handler) is logging.StreamHandler:
                handlers.append((handler, handler.stream))
                handler.stream = out if handler.stream in (sys.__stdout__, out) else err
    try:
        yield
    finally:
        for handler, stream in handlers:
            handler.stream = stream
