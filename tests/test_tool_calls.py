# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import logging
import os
import random
import sys
import warnings

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from tool_calls import call_main


def disturb(argv):
    """Change everything that a tool may change, then fail."""
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.backends.cudnn.deterministic = True
    cv2.setNumThreads(2)
    torch.multiprocessing.set_start_method('spawn', force=True)
    random.random(), np.random.rand(), torch.rand(1)
    os.environ.update(RANK='3', WORLD_SIZE='4')
    os.chdir('/')
    sys.path.insert(0, '/')
    warnings.simplefilter('error')
    logging.disable(logging.ERROR)
    logging.getLogger('mmfer.a_tool').setLevel(logging.ERROR)
    logging.root.addHandler(logging.StreamHandler())
    DefaultScope.get_instance('a tool', scope_name='mmengine')
    MMLogger.get_instance('a tool')
    raise RuntimeError('after all')


def state():
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.backends.cudnn.deterministic,
        cv2.getNumThreads(),
        torch.multiprocessing.get_start_method(allow_none=True),
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        dict(os.environ),
        os.getcwd(),
        list(sys.path),
        list(warnings.filters),
        logging.root.manager.disable,
        logging.getLogger('mmfer.a_tool').level,
        list(logging.root.handlers),
        dict(DefaultScope._instance_dict),
        dict(MMLogger._instance_dict),
        sys.argv,
        sys.stdout,
    )


def test_a_call_leaves_nothing_behind(tmp_path):
    before = state()
    done = call_main(disturb, 'disturb', cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.endswith('RuntimeError: after all\n')
    assert 'Traceback' in done.stderr
    for then, now in zip(before, state(), strict=True):
        assert then == now


def test_a_call_begins_as_a_process_does(tmp_path):
    MMLogger.get_instance('of a test')

    def main(argv):
        assert DefaultScope.get_current_instance() is None
        assert not MMLogger.check_instance_created('of a test')
        assert sys.argv == ['name', '1', 'a b'] and argv == ['1', 'a b']
        assert os.getcwd() == str(tmp_path)

    done = call_main(main, 'name', [1, 'a b'], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_output_goes_where_that_of_a_process_goes():
    old = logging.getLogger('mmfer.with_a_handler')
    old.addHandler(logging.StreamHandler(sys.stdout))

    def main(argv):
        sys.stdout.reconfigure(errors='backslashreplace')
        print('printed', '\udcff')
        sys.stdout.buffer.write(b'bytes\n')
        MMLogger.get_instance('new').info('logged by MMEngine')
        old.warning('logged before')
        logging.getLogger('mmfer.without').warning('without a handler')
        print('to the error', file=sys.stderr)

    done = call_main(main, 'name')
    for text in ('printed \\udcff\n', 'bytes\n', 'logged by MMEngine', 'logged before'):
        assert done.stdout.count(text) == 1
    assert done.stderr == 'without a handler\nto the error\n'
    old.handlers.clear()


def test_calls_within_calls():
    def inner(argv):
        print('inner')
        os.environ['INNER'] = '1'
        MMLogger.get_current_instance().warning('logged')

    def outer(argv):
        print('before')
        logger = MMLogger.get_current_instance()
        done = call_main(inner, 'inner')
        assert 'inner\n' in done.stdout and 'logged' in done.stdout
        assert 'INNER' not in os.environ and sys.argv == ['outer']
        logger.warning('after')

    done = call_main(outer, 'outer')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('before\n') and 'after' in done.stdout
    assert 'inner' not in done.stdout


@pytest.mark.parametrize(
    ('end', 'code', 'message'),
    [
        (SystemExit(3), 3, ''),
        (SystemExit(), 0, ''),
        (SystemExit('no such file'), 1, 'no such file\n'),
        (KeyboardInterrupt(), 130, ''),
    ],
)
def test_ends(end, code, message):
    def main(argv):
        raise end

    done = call_main(main, 'name')
    assert (done.returncode, done.stderr) == (code, message)
