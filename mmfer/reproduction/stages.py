# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Trainings that depend on each other: run once, resumed after a stop, never overwritten."""

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
from dataclasses import dataclass, replace
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
_SHOWN = 12  # lines of a diff or a log in an error message


class StageError(RuntimeError):
    """A stage cannot run or has failed."""


def last_checkpoint_name(cfg: Config) -> str:
    """Return the name of the last checkpoint of a finished training."""
    train_cfg = cfg.train_cfg
    if train_cfg.get('by_epoch', True):
        return f'epoch_{train_cfg.max_epochs}.pth'
    return f'iter_{train_cfg.max_iters}.pth'


@dataclass(eq=False)
class Stage:
    """One training and its test, in a separate folder.

    The folder has the config (``config.py``), MMEngine's logs and checkpoints, the output of the
    tools (``train.log``, ``test.log``), the results (``metrics.json``), and ``stage.json`` with the
    config, the inputs and the progress of the stage. A finished stage is not run again. A stopped
    stage resumes from its newest checkpoint. A folder with other settings or inputs is an error.

    Args:
        name (str): Name shown in messages.
        cfg (Config): The whole config.
        folder (Path): Output folder.
        inputs (Sequence[Path]): Checkpoints that the training starts from.
        tools (Path): Folder with ``train.py``, ``test.py``, ``dist_train.sh`` and ``dist_test.sh``.
        processes (int): Number of GPUs, or of processes on CPUs. Defaults to 1, without a launcher.
        given (Path, optional): An existing checkpoint, which is used instead of a training.
            Defaults to None.
    """

    name: str
    cfg: Config
    folder: Path
    inputs: Sequence[Path]
    tools: Path
    processes: int = 1
    given: Path | None = None

    def __post_init__(self) -> None:
        if self.given is not None:
            self.inputs = [self.given]
        self._lock: int | None = None

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint of the training, or the given one."""
        return self.given or self.folder / last_checkpoint_name(self.cfg)

    @property
    def is_trained(self) -> bool:
        """Whether the training is finished."""
        if self.given is not None:
            return True
        state = self._read_state()
        return state is not None and state['trained'] and self.checkpoint.is_file()

    @property
    def config_file(self) -> Path:
        """File of the whole config; it exists after training or testing has started."""
        return self.folder / _CONFIG

    @property
    def is_tested(self) -> bool:
        """Whether the stage has been tested."""
        state = self._read_state()
        return bool(state and state['tested'] and (self.folder / _METRICS).is_file())

    @cached_property
    def is_as_made(self) -> bool:
        """Whether the finished stage has the current settings, except for paths."""
        made = Config.fromstring(self._read_state()['config'], '.py')
        return _without_paths(made.to_dict()) == _without_paths(self.cfg.to_dict())

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the last test."""
        return json.loads((self.folder / _METRICS).read_text())

    @property
    def confusion(self) -> Path:
        """File of the last test's confusion matrix, if the task has one."""
        return self.folder / 'test' / 'confusion_matrix.csv'

    @contextmanager
    def held(self, log: Callable[[str], None] | None) -> Iterator[None]:
        """Lock the folder against other processes.

        The training or test holds the lock, too, so it stays locked if the tool outlives this
        process.

        Args:
            log (Callable[[str], None], optional): Called with a message once before waiting for
                another process. If it is None, this method does not wait.

        Raises:
            InUseError: Another process has locked the folder, and ``log`` is None.
        """
        wait = log and (lambda holder: log(f'wait  {self.name}: {holder} is running it'))
        with file_lock(self.folder / _LOCK, wait) as lock:
            self._lock = lock
            yield
        self._lock = None

    def test_of(self, title: str, folder: str, checkpoint: Path) -> 'Stage':
        """Return a stage that tests another checkpoint of this training, in a subfolder."""
        stage = replace(
            self, name=f'{self.name}, {title}', folder=self.folder / folder, given=checkpoint
        )
        stage._lock = self._lock  # its folder is inside the locked one
        return stage

    def prepare(self) -> None:
        """Record the settings and inputs of the stage, or check that they are unchanged.

        Raises:
            StageError: The folder has a stage with other settings or inputs, or checkpoints without
                a stage.
        """
        text = self.cfg.pretty_text
        # Compare contents: a baseline that was trained again is another input.
        digests = [file_digest(path) for path in self.inputs]
        state = self._read_state()
        if state is None:
            if self.folder.is_dir() and any(n.endswith('.pth') for n in os.listdir(self.folder)):
                raise StageError(
                    f'{self.folder} has checkpoints but no {_STATE}, so their origin is unknown. '
                    'Use another --work-dir, or move the checkpoints'
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
                f'{self.folder} was run with other settings and is not overwritten:\n  '
                + '\n  '.join(lines)
                + '\nUse another --work-dir, or delete this folder to run it again'
            )
        if state['inputs'] != digests:
            raise StageError(
                f'{self.folder} was run from other checkpoints than the current '
                f'{", ".join(map(str, self.inputs))}. Use another --work-dir, or delete this '
                'folder to run it again'
            )

    def train(self, update: Callable[[str], None]) -> Path:
        """Train, unless the training is finished, and return the checkpoint."""
        if not self.is_trained:
            self._run('train', [], ['--work-dir', str(self.folder), '--resume'], update)
            if not self.checkpoint.is_file():
                raise StageError(f'{self.name}: training ended without writing {self.checkpoint}')
            self._write_state(**{**self._read_state(), 'trained': True})
        return self.checkpoint

    def test(self, update: Callable[[str], None]) -> dict[str, float]:
        """Test the checkpoint, unless it has been tested, and return the metrics."""
        path = self.folder / _METRICS
        state = self._read_state()
        digest = file_digest(self.checkpoint)
        if not path.is_file() or state['tested'] != digest:
            fresh = path.with_name(f'.{path.stem}.new.json')
            options = ['--work-dir', str(self.folder / 'test'), '--out', str(fresh)]
            self._run('test', [str(self.checkpoint)], options, update)
            os.replace(fresh, path)
            self._write_state(**{**state, 'tested': digest})
        return self.metrics

    def _read_state(self) -> dict | None:
        path = self.folder / _STATE
        return json.loads(path.read_text()) if path.is_file() else None

    def _write_state(self, **state) -> None:
        atomic_write_json(self.folder / _STATE, state)

    def _run(
        self, verb: str, arguments: list[str], options: list[str], update: Callable[[str], None]
    ) -> None:
        """Run ``train.py`` or ``test.py``; call ``update`` with the lines that show progress."""
        config = self.config_file
        # Written every time: MMEngine dumps its changed config, e.g., with a checkpoint to resume
        # from, to a file of the same name.
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
                        update(line.split(' - INFO - ')[-1].strip())
            except BaseException:  # including signals: the child has to end, too
                process.terminate()
                raise
        if process.returncode:
            tail = '\n  '.join(log.read_text(errors='replace').splitlines()[-_SHOWN:])
            raise StageError(
                f'{self.name}: {verb}ing failed after {time.monotonic() - started:.0f} s. The end '
                f'of {log}:\n  {tail}\nAfter fixing the error, the same command resumes here'
            )


def _without_paths(node: Any) -> Any:
    """Return a part of a config with booleans (set or not) instead of file paths."""
    if isinstance(node, dict):
        return {
            key: bool(value)
            if key in _PATHS and not isinstance(value, dict)
            else _without_paths(value)
            for key, value in node.items()
        }
    return [_without_paths(it) for it in node] if isinstance(node, list | tuple) else node


def _start(command: Sequence[str], lock: int | None) -> subprocess.Popen:
    """Start a tool that also holds the lock and, on Linux, ends with this process.

    Args:
        command (Sequence[str]): Command of the tool.
        lock (int, optional): File descriptor of the lock.
    """
    # The shell scripts call `python`, which must be the one that runs this.
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')])
    options = dict(env={**os.environ, 'PATH': folders})
    passed = None if lock is None or os.name != 'posix' else os.dup(lock)
    if passed is not None:
        options['pass_fds'] = [passed]
    if sys.platform == 'linux':
        library, parent = ctypes.CDLL(None), os.getpid()

        def end_with_parent() -> None:
            library.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG; exec and a shell's exec keep it
            if os.getppid() != parent:  # the parent ended before prctl
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
    """Raise SystemExit on SIGTERM, so that the tools are ended, too."""
    if threading.current_thread() is not threading.main_thread():  # only it can handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
