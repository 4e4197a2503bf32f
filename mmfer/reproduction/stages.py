# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Trainings that build on one another: done once, continued after a stop, never overwritten."""

import ctypes
import difflib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfer.utils.atomic_file import atomic_write, atomic_write_json
from mmfer.utils.file_digest import file_digest
from mmfer.utils.file_lock import file_lock

_CONFIG = 'config.py'
_STATE = 'stage.json'
_METRICS = 'metrics.json'
_LOCK = '.lock'
_PATHS = ('data_root', 'checkpoint', 'load_from')
# So many lines are enough to see what is wrong, more would hide the rest of the message.
_SHOWN = 12


class StageError(RuntimeError):
    """A stage cannot be done; the message says why and what to do."""


def last_checkpoint_name(cfg: Config) -> str:
    """The checkpoint that a finished training of ``cfg`` leaves."""
    train_cfg = cfg.train_cfg
    if train_cfg.get('by_epoch', True):
        return f'epoch_{train_cfg.max_epochs}.pth'
    return f'iter_{train_cfg.max_iters}.pth'


class Stage:
    """One training and its test, in a folder of its own.

    The folder holds the config (``config.py``), MMEngine's logs and checkpoints, what the tools
    printed (``train.log``, ``test.log``), the results (``metrics.json``), and ``stage.json``, which
    says what the stage is made from and how far it is. A stage that is finished is not done again;
    one that was stopped goes on from its newest checkpoint; one that was made from something else
    is refused.

    Args:
        name (str): What is shown to people.
        cfg (Config): The whole config.
        folder (Path): Where everything goes.
        inputs (Sequence[Path]): Checkpoints that the training starts from.
        tools (Path): Folder with ``train.py``, ``test.py`` and their distributed forms.
        processes (int): GPUs, or processes on CPUs, to use; 1 needs no launcher.
        given (Path, optional): A checkpoint that exists already; there is nothing to train then.
    """

    def __init__(
        self,
        name: str,
        cfg: Config,
        folder: Path,
        inputs: Sequence[Path],
        tools: Path,
        processes: int = 1,
        given: Path | None = None,
    ):
        self.name = name
        self.cfg = cfg
        self.folder = folder
        self.inputs = list(inputs) if given is None else [given]
        self.tools = tools
        self.processes = processes
        self.given = given
        self._lock: int | None = None

    @property
    def checkpoint(self) -> Path:
        """What training leaves, or what was given."""
        return self.given or self.folder / last_checkpoint_name(self.cfg)

    @property
    def is_trained(self) -> bool:
        """Whether there is nothing left to train."""
        if self.given is not None:
            return True
        state = self._read_state()
        return state is not None and state['trained'] and self.checkpoint.is_file()

    @property
    def config_file(self) -> Path:
        """The whole config, once the stage is prepared."""
        return self.folder / _CONFIG

    @property
    def is_tested(self) -> bool:
        """Whether there are metrics of a finished training."""
        state = self._read_state()
        return bool(state and state['tested'] and (self.folder / _METRICS).is_file())

    @cached_property
    def is_as_made(self) -> bool:
        """Whether what is done was made with these settings, wherever files are by now."""
        made = Config.fromstring(self._read_state()['config'], '.py')
        return _without_paths(made.to_dict()) == _without_paths(self.cfg.to_dict())

    @property
    def metrics(self) -> dict[str, float]:
        """What the last test gave."""
        return json.loads((self.folder / _METRICS).read_text())

    @property
    def confusion(self) -> Path:
        """The table of the last test's confusion matrix, if the task has one."""
        return self.folder / 'test' / 'confusion_matrix.csv'

    @contextmanager
    def held(self, say: Callable[[str], None] | None) -> Iterator[None]:
        """Keep other processes out of the folder; one that is in it is waited for.

        The tool that runs in the folder holds the lock as well, so a training that outlives this
        process is waited for, too.

        Args:
            say (Callable[[str], None], optional): Told once of a wait; None does not wait.

        Raises:
            InUseError: Another process is in it, and ``say`` is None.
        """
        wait = say and (lambda holder: say(f'wait  {self.name}: {holder} is at it'))
        with file_lock(self.folder / _LOCK, wait) as lock:
            self._lock = lock
            yield
        self._lock = None

    def test_of(self, title: str, folder: str, checkpoint: Path) -> 'Stage':
        """The stage that tests another checkpoint of this training, in a folder inside this one."""
        stage = Stage(
            f'{self.name}, {title}',
            self.cfg,
            self.folder / folder,
            [],
            self.tools,
            self.processes,
            checkpoint,
        )
        stage._lock = self._lock  # the folder is in the one that is held
        return stage

    def prepare(self) -> None:
        """Write down what the stage is made from, or check that it is still the same.

        Raises:
            StageError: The folder holds a stage made from other settings or other checkpoints, or
                something that is no stage.
        """
        text = self.cfg.pretty_text
        # By what is in them: a baseline that was trained again is another one.
        digests = [file_digest(path) for path in self.inputs]
        state = self._read_state()
        if state is None:
            if self.folder.is_dir() and any(n.endswith('.pth') for n in os.listdir(self.folder)):
                raise StageError(
                    f'{self.folder} holds checkpoints but no {_STATE}, so it is not known what '
                    'they are. Choose another --work-dir, or move them away'
                )
            self._write_state(config=text, inputs=digests, trained=False, tested=None)
            return
        before = state['config']
        if before != text:
            difference = difflib.unified_diff(
                before.splitlines(), text.splitlines(), 'before', 'now', lineterm='', n=0
            )
            lines = [line for line in difference if not line.startswith('@@')][: _SHOWN + 2]
            raise StageError(
                f'{self.folder} was made with other settings, and nothing is overwritten:\n  '
                + '\n  '.join(lines)
                + '\nChoose another --work-dir, or delete this folder to do the stage anew'
            )
        if state['inputs'] != digests:
            raise StageError(
                f'{self.folder} was trained from other checkpoints than '
                f'{", ".join(map(str, self.inputs))} are now. Choose another --work-dir, or delete '
                'this folder to do the stage anew'
            )

    def train(self, tell: Callable[[str], None]) -> Path:
        """Train, unless it is done, and return the checkpoint."""
        if not self.is_trained:
            self._run('train', [], ['--work-dir', str(self.folder), '--resume'], tell)
            if not self.checkpoint.is_file():
                raise StageError(f'{self.name}: training ended without {self.checkpoint}')
            self._write_state(**{**self._read_state(), 'trained': True})
        return self.checkpoint

    def test(self, tell: Callable[[str], None]) -> dict[str, float]:
        """Test the checkpoint, unless it is done, and return the metrics."""
        path = self.folder / _METRICS
        state = self._read_state()
        digest = file_digest(self.checkpoint)
        if not path.is_file() or state['tested'] != digest:
            fresh = path.with_name(f'.{path.stem}.new.json')
            options = ['--work-dir', str(self.folder / 'test'), '--out', str(fresh)]
            self._run('test', [str(self.checkpoint)], options, tell)
            os.replace(fresh, path)
            self._write_state(**{**state, 'tested': digest})
        return self.metrics

    def _read_state(self) -> dict | None:
        path = self.folder / _STATE
        return json.loads(path.read_text()) if path.is_file() else None

    def _write_state(self, **state) -> None:
        atomic_write_json(self.folder / _STATE, state)

    def _run(
        self, verb: str, arguments: list[str], options: list[str], tell: Callable[[str], None]
    ) -> None:
        """Run ``train.py`` or ``test.py``; ``tell`` gets the lines that show progress."""
        config = self.config_file
        # Anew each time: MMEngine writes what it makes of it, such as a checkpoint to go on from,
        # to a file of the same name.
        atomic_write(config, self._read_state()['config'].encode())
        command = [str(config), *arguments]
        if self.processes == 1:
            command = [sys.executable, str(self.tools / f'{verb}.py'), *command, *options]
        else:
            script = str(self.tools / f'dist_{verb}.sh')
            command = ['bash', script, *command, str(self.processes), *options]
        log = self.folder / f'{verb}.log'
        started = time.monotonic()
        with (
            _exit_on_sigterm(),
            open(log, 'a') as file,
            _start(command, self._lock) as process,
        ):
            try:
                for line in process.stdout:
                    file.write(line)
                    if 'Epoch(' in line or 'Iter(' in line:
                        tell(line.split(' - INFO - ')[-1].strip())
            except BaseException:  # a signal above all: the child has to end as well
                process.terminate()
                raise
        if process.returncode:
            tail = '\n  '.join(log.read_text(errors='replace').splitlines()[-_SHOWN:])
            raise StageError(
                f'{self.name}: {verb}ing failed after {time.monotonic() - started:.0f} s. The end '
                f'of {log}:\n  {tail}\nWhen it is mended, the same command goes on from here'
            )


def _without_paths(node: Any) -> Any:
    """A part of a config without where data and checkpoints are."""
    if isinstance(node, dict):
        return {
            key: bool(value)
            if key in _PATHS and not isinstance(value, dict)
            else _without_paths(value)
            for key, value in node.items()
        }
    return [_without_paths(it) for it in node] if isinstance(node, list | tuple) else node


def _start(command: Sequence[str], lock: int | None) -> subprocess.Popen:
    """Start a tool that holds the lock, too, and on Linux ends with this process.

    Args:
        command (Sequence[str]): The tool.
        lock (int, optional): Descriptor of a lock's file.
    """
    options = {}
    passed = None if lock is None or os.name != 'posix' else os.dup(lock)
    if passed is not None:
        options['pass_fds'] = [passed]
    if sys.platform == 'linux':
        library, parent = ctypes.CDLL(None), os.getpid()

        def end_with_parent() -> None:
            library.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG; exec and a shell's exec keep it
            if os.getppid() != parent:  # it was too late
                os.kill(os.getpid(), signal.SIGTERM)

        options['preexec_fn'] = end_with_parent
    try:
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            **options,
        )
    finally:
        if passed is not None:
            os.close(passed)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Let a signal to end raise what ends the tools, too, and not this process alone."""
    if threading.current_thread() is not threading.main_thread():  # which signals go to
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
