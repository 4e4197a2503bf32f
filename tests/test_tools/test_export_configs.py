# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from shipped_configs import read_config, variants
from tool_calls import load_tool

APVIT = 'apvit_ir50-vit-small_1xb128-40e_rafdb-112px'
KT = 'kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px'


def graph_key(cfg, size):
    return load_tool('deployment/export_configs.py').graph_key(cfg, size)


def key(name, size=(64, 64)):
    return graph_key(read_config(name), size)


def key_of(variant):
    """Config of the small KT-Adapter for age."""
    return graph_key(variants('kt_adapter').config('synthface-age-64px', variant), (64, 64))


def test_training_settings_do_not_change_the_graph():
    assert key(APVIT) == key(APVIT.replace('apvit_', 'apvit-scratch_'))
    assert key(KT) == key_of('M to M, 1 prior') == key_of('swin-micro-to-mobileone-micro')


def test_other_settings_change_the_graph():
    others = [
        key(APVIT.replace('apvit_', 'apvit-baseline_')),
        key(APVIT.replace('40e_rafdb', '9k_expw')),
        key(APVIT, (112, 112)),
        key(KT),
        key_of('dm'),
        key(KT.replace('-age-', '-landmarks-')),
    ]
    assert len({key(APVIT), *others}) == 7


def test_files_of_operating_systems_are_not_configs(tmp_path):
    for name in ('a.py', '._a.py', '.ipynb_checkpoints/a-checkpoint.py', '_base_/b.py'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    find_configs = load_tool('deployment/export_configs.py').find_configs
    assert find_configs([str(tmp_path)]) == [tmp_path / 'a.py']
