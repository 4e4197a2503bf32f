# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Stand-ins for train.py and test.py that write the same files at once."""

from pathlib import Path

#: Kills itself before the epoch in the file ``die`` in its folder, if there is one.
_TRAIN = """
import argparse, os, pathlib, signal
parser = argparse.ArgumentParser()
parser.add_argument('config', type=pathlib.Path)
parser.add_argument('--work-dir', type=pathlib.Path)
parser.add_argument('--resume', action='store_true')
args = parser.parse_args()
settings = {}
exec(args.config.read_text(), settings)
args.config.write_text('what MMEngine writes there')
die = pathlib.Path(__file__).with_name('die')
for epoch in range(1, settings['train_cfg']['max_epochs'] + 1):
    checkpoint = args.work_dir / f'epoch_{epoch}.pth'
    if args.resume and checkpoint.exists():
        continue
    if die.exists() and int(die.read_text()) == epoch:
        print('RuntimeError: out of luck', flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    print(f'then - mmengine - INFO - Epoch(train) [{epoch}][1/1] loss: 0.5', flush=True)
    checkpoint.write_text(f'{args.work_dir} {epoch}')
"""
#: The age error is the length of the checkpoint's text.
_TEST = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('checkpoint', type=pathlib.Path)
parser.add_argument('--work-dir')
parser.add_argument('--out', type=pathlib.Path)
args = parser.parse_args()
print('tested', args.checkpoint)
error = len(args.checkpoint.read_text())
args.out.write_text(json.dumps({'age/mae': error, 'age/cs@5': 100.0 - error}))
"""


def write_tools(folder: Path) -> Path:
    """Write both into a new folder and return it."""
    folder.mkdir()
    (folder / 'train.py').write_text(_TRAIN)
    (folder / 'test.py').write_text(_TEST)
    return folder
