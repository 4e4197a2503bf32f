# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import signal
import time

import numpy as np
import pytest
from forked_processes import Python

from mmfer.preparation.image_writer import ImageWriter, Job, Outcome
from mmfer.utils.file_lock import InUseError, file_lock

# A worker that is still starting when its main process is killed; a lock shows that it is alive.
STARTING = """
import contextlib, os, sys, threading, time
from mmfer.preparation import image_writer
from mmfer.utils.file_lock import file_lock

def give_up():
    open(sys.argv[1] + '/lives', 'w').close()
    os._exit(0)

def slow_start(worker):
    stack = contextlib.ExitStack()
    stack.enter_context(file_lock(sys.argv[1] + '/alive'))
    main = os.getppid()
    open(sys.argv[1] + '/starts', 'w').close()
    while os.getppid() == main:
        time.sleep(0.01)
    keep.extend([stack, threading.Timer(30, give_up)])
    keep[1].daemon = True
    keep[1].start()
    init(worker)

keep, init = [], image_writer._end_with_main_process
image_writer._end_with_main_process = slow_start

class Writer(image_writer.ImageWriter):
    start_method = 'fork'
    settings = dict

Writer(sys.argv[1] + '/out', 'png').run([image_writer.Job('a.png', '1')], 'list.csv', workers=1)
"""


class Writer(ImageWriter):
    """Writes black images."""

    def settings(self):
        return {}

    def make(self, job):
        return Outcome(np.zeros((4, 4, 3), np.uint8), {})


def test_a_second_run_in_the_folder_is_an_error(tmp_path):
    jobs = [Job('a.png', '1'), Job('b.png', '1')]

    def track(outcomes, total):
        for done, outcome in enumerate(outcomes):
            with pytest.raises(InUseError, match='another folder'):
                Writer(tmp_path, 'png').run(jobs, 'list.csv')
            assert (tmp_path / '.journal.jsonl').read_text().count('\n') == 1 + done
            yield outcome

    assert Writer(tmp_path, 'png').run(jobs, 'list.csv', track=track) == ([{}, {}], 0)
    assert Writer(tmp_path, 'png').run(jobs, 'list.csv') == ([{}, {}], 2)


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='needs SIGKILL')
def test_a_starting_worker_ends_with_a_killed_main_process(tmp_path):
    main = Python('-c', STARTING, tmp_path)
    try:
        while not (tmp_path / 'starts').exists():
            assert main.is_running()
            time.sleep(0.01)
    finally:
        main.send_signal(signal.SIGKILL)
    with file_lock(tmp_path / 'alive', wait=lambda holder: None):
        assert not (tmp_path / 'lives').exists()
    main.wait()
