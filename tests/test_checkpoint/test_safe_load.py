# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import http.client
import io
import os
import pickle
import pickletools
import urllib.request
import urllib.response

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from torch import nn

from mmfer.checkpoint.safe_load import (
    CheckpointError,
    UnsafeCheckpointError,
    load_checkpoint_file,
    load_from_http,
    load_weights,
    register_safe_loaders,
)


class Call:
    """Pickles as a call of ``function`` with ``args``."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


class SetState:
    """Pickles as an object whose ``__setstate__`` is called on loading."""

    loaded = False

    def __getstate__(self):
        return {'a': 1}

    def __setstate__(self, state):
        SetState.loaded = True


def chained_getattr(mark):
    """``getattr(HistoryBuffer, 'mean')(CODE)`` in opcodes: only names that stock MMEngine uses."""
    code = f'open({mark!r}, "w")'.encode()
    return b''.join(
        [
            b'\x80\x02cbuiltins\ngetattr\n',
            b'cmmengine.logging.history_buffer\nHistoryBuffer\n',
            b'X\x04\x00\x00\x00mean\x86R',  # getattr(HistoryBuffer, 'mean')
            b'X' + len(code).to_bytes(4, 'little') + code + b'\x85R.',  # called with the code
        ]
    )


@pytest.fixture
def mark(tmp_path):
    """A file that exists only if a malicious pickle was run."""
    path = tmp_path / 'pwned'
    yield path
    assert not path.exists()


EVIL = {
    'os.system': lambda mark: Call(os.system, f'touch {mark}'),
    'eval': lambda mark: Call(eval, f'open({str(mark)!r}, "w")'),
    'exec': lambda mark: Call(exec, f'open({str(mark)!r}, "w")'),
    'open': lambda mark: Call(open, str(mark), 'w'),
    'getattr': lambda mark: Call(getattr, HistoryBuffer, 'mean'),
    'import': lambda mark: Call(__import__, 'antigravity'),
    'torch.load': lambda mark: Call(torch.load, str(mark)),
    'numpy.load': lambda mark: Call(np.load, str(mark)),
    'setstate': lambda mark: SetState(),
}


@pytest.mark.parametrize('way', ['zip', 'legacy', 'pickle', 'pickle protocol 2'])
@pytest.mark.parametrize('what', EVIL)
def test_pickles_that_run_code_are_errors(tmp_path, mark, what, way):
    content = {'state_dict': {'a': torch.zeros(2)}, 'meta': EVIL[what](mark)}
    path = tmp_path / 'evil.pth'
    if way.startswith('pickle'):
        content = content['meta']
        path.write_bytes(pickle.dumps(content, protocol=2 if '2' in way else None))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way == 'zip')
    SetState.loaded = False
    with pytest.raises(CheckpointError, match='Nothing in it was run'):
        load_checkpoint_file(str(path))
    assert not SetState.loaded


def test_the_error_names_file_and_function(tmp_path, mark):
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': EVIL['eval'](mark)}, path)
    with pytest.raises(UnsafeCheckpointError, match=rf'{path}.*builtins\.eval'):
        load_checkpoint_file(str(path))


def test_getattr_is_never_resolved(tmp_path, mark):
    payload = chained_getattr(str(mark))
    assert [op.name for op, *_ in pickletools.genops(payload)].count('REDUCE') == 2
    path = tmp_path / 'evil.pth'
    writer = torch._C.PyTorchFileWriter(str(path))
    writer.write_record('data.pkl', payload, len(payload))
    writer.write_record('version', b'3\n', 2)
    writer.write_end_of_file()
    with pytest.raises(UnsafeCheckpointError, match='Nothing in it was run'):
        load_checkpoint_file(str(path))


def test_torchscript_is_an_error(tmp_path):
    path = tmp_path / 'program.pth'
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), str(path))
    with pytest.raises(UnsafeCheckpointError, match='TorchScript'):
        load_checkpoint_file(str(path))


def test_stock_training_checkpoint(tmp_path):
    """Histories are restored as numbers; all other pickled objects become placeholders."""
    hub = MessageHub('stock')
    for value in (3.0, 1.5):
        hub.update_scalar('train/loss', value, count=2)
    hub.update_info('best_score', np.float64(91.5))
    weights = nn.BatchNorm1d(2).state_dict()
    path = tmp_path / 'stock.pth'
    torch.save({'message_hub': hub.state_dict(), 'state_dict': weights, 'meta': {}}, path)
    loaded = load_checkpoint_file(str(path))
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer) and history.mean() == 4.5 / 4
    np.testing.assert_array_equal(history.data[1], [2, 2])
    history.update(4.5)
    assert loaded['message_hub']['runtime_info']['best_score'] == 91.5
    assert loaded['state_dict']._metadata == weights._metadata


def test_objects_of_openmmlab_become_placeholders(tmp_path):
    from mmpretrain.structures import DataSample

    path = tmp_path / 'notes.pth'
    torch.save({'state_dict': {'a': torch.ones(1)}, 'meta': {'sample': DataSample()}}, path)
    loaded = load_checkpoint_file(str(path))
    assert loaded['state_dict']['a'] == 1
    assert 'DataSample, not loaded' in repr(loaded['meta']['sample'])


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'before torch 1.6'])
def test_plain_weights_load(tmp_path, zipped):
    path = tmp_path / 'weights.pth'
    torch.save({'w': torch.arange(3.0)}, path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_checkpoint_file(str(path))['w'], torch.arange(3.0))


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('kept', [0, 30, 0.5, 0.99])
def test_truncated_file(tmp_path, zipped, kept):
    path = tmp_path / 'cut.pth'
    torch.save({'w': torch.zeros(1000)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint_file(str(path))


@pytest.mark.parametrize('content', [b'<html>Not found</html>', b'version https://git-lfs', b'\0'])
def test_files_that_are_not_checkpoints(tmp_path, content):
    path = tmp_path / 'page.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint_file(str(path))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        load_checkpoint_file('nowhere.pth')


@pytest.mark.parametrize(
    'content, place',
    [
        (dict(meta=[1]), 'meta is a list'),
        (dict(meta='text'), 'meta is a str'),
        (dict(meta=dict(dataset_meta=[1])), 'meta.dataset_meta is a list'),
        (dict(meta=dict(dataset_meta=dict(classes='abc'))), 'meta.dataset_meta.classes is a str'),
    ],
)
def test_meta_of_a_wrong_type(tmp_path, content, place):
    path = tmp_path / 'a.pth'
    torch.save(dict(content, state_dict={'a': torch.ones(1)}), path)
    with pytest.raises(CheckpointError, match=rf'{path}: {place}'):
        load_checkpoint_file(str(path))


class TestDownloads:
    """From URLs of a server that only exists in this class."""

    @pytest.fixture(autouse=True)
    def server(self, tmp_path, monkeypatch):
        self.files, self.asked = {}, []
        monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
        monkeypatch.setattr(urllib.request.HTTPHandler, 'http_open', self.answer)
        monkeypatch.setattr(urllib.request.HTTPSHandler, 'https_open', self.answer)
        register_safe_loaders()

    def serve(self, url, content):
        file = io.BytesIO()
        torch.save(content, file)
        self.files[url] = file.getvalue()

    def answer(self, *args):
        url = args[-1].full_url
        self.asked.append(url)
        content = self.files[url]
        headers = http.client.HTTPMessage()
        if isinstance(content, str):
            headers['Location'], code, content = content, 302, b''
        else:
            headers['Content-Length'], code = str(len(content)), 200
            content = content.removesuffix(b'cut')
        answer = urllib.response.addinfourl(io.BytesIO(content), headers, url, code)
        answer.msg = 'OK'
        return answer

    def test_they_are_kept(self):
        self.serve('https://host/a.pth?raw=true', {'a': 1})
        for _ in range(2):
            assert CheckpointLoader.load_checkpoint('https://host/a.pth?raw=true') == {'a': 1}
        assert self.asked == ['https://host/a.pth?raw=true']

    def test_weights_may_be_a_url(self):
        self.serve('https://host/w.pth', dict(state_dict=dict(a=torch.ones(1)), meta=dict(epoch=3)))
        weights, meta = load_weights('https://host/w.pth')
        assert weights == {'a': 1} and meta == {'epoch': 3}

    def test_urls_with_the_same_name_are_two_files(self):
        urls = ('https://a/x.pth', 'https://b/x.pth', 'https://a/c/x.pth', 'https://a/x.pth?v=2')
        for number, url in enumerate(urls):
            self.serve(url, number)
        for _ in range(2):
            assert [load_from_http(url) for url in urls] == [0, 1, 2, 3]

    def test_they_are_loaded_safely(self, mark):
        self.serve('https://host/evil.pth', {'state_dict': EVIL['eval'](mark)})
        with pytest.raises(UnsafeCheckpointError):
            CheckpointLoader.load_checkpoint('https://host/evil.pth')

    def test_http_must_be_allowed(self, monkeypatch):
        self.serve('http://host/a.pth', 3)
        with pytest.raises(CheckpointError, match='MMFER_ALLOW_HTTP'):
            CheckpointLoader.load_checkpoint('http://host/a.pth')
        assert not self.asked
        monkeypatch.setenv('MMFER_ALLOW_HTTP', '1')
        assert CheckpointLoader.load_checkpoint('http://host/a.pth') == 3

    @pytest.mark.parametrize('allowed', ['0', '1'])
    def test_https_stays_https(self, monkeypatch, allowed):
        monkeypatch.setenv('MMFER_ALLOW_HTTP', allowed)
        self.files['https://host/a.pth'] = 'https://other/b.pth'
        self.serve('https://other/b.pth', 4)
        assert load_from_http('https://host/a.pth') == 4
        for address in ('http://other/b.pth', 'HTTP://other/b.pth', 'ftp://other/b.pth'):
            self.files['https://host/c.pth'] = address
            with pytest.raises(CheckpointError, match='https'):
                load_from_http('https://host/c.pth')

    def test_an_incomplete_download_is_not_used(self, tmp_path):
        self.serve('https://host/a.pth', {'a': 1})
        self.files['https://host/a.pth'] += b'cut'
        with pytest.raises(OSError, match='bytes'):
            load_from_http('https://host/a.pth')
        assert not list((tmp_path / 'hub' / 'checkpoints').iterdir())

    def test_machines_without_a_shared_folder_download_themselves(self, monkeypatch):
        """On the second machine of a distributed training, no process is the main process."""
        monkeypatch.setattr('mmfer.checkpoint.safe_load.is_main_process', lambda: False)
        self.serve('https://host/a.pth', 3)
        assert load_from_http('https://host/a.pth') == 3

    @pytest.mark.parametrize(
        'address', ['torchvision://resnet18', 'open-mmlab://a', 'mmcls://a', 's3://a', 'x:s3://a']
    )
    def test_other_schemes_of_mmengine_are_errors(self, address):
        with pytest.raises(CheckpointError, match='not loaded'):
            CheckpointLoader.load_checkpoint(address)


def test_init_cfg_uses_the_safe_loader(tmp_path, mark):
    register_safe_loaders()
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': EVIL['os.system'](mark)}, path)
    model = BaseModule(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    with pytest.raises(UnsafeCheckpointError):
        model.init_weights()
    with pytest.raises(UnsafeCheckpointError):
        CheckpointLoader.load_checkpoint(str(path))
