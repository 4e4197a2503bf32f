# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import pytest
from mmengine.config import Config
from shipped_configs import read_config
from task_models import write_task
from torch.nn.modules.module import register_module_forward_hook

from mmfer.benchmark.encoder_costs import measure_encoder_costs
from mmfer.models import IRNet, KTAdapter


def test_published_costs_of_mobileone_and_its_adapter():
    name = 'kt-adapter_mobileone-s0-to-mobileone-s0_1xb32-30e_utkface-224px'
    costs = measure_encoder_costs({'M': read_config(name)}, turns=1)
    assert [(cost.name, cost.kept, cost.adapter) for cost in costs] == [
        *(('M', number, False) for number in (1, 2, 3, 4)),
        ('M', 1, True),
    ]
    one, *_, four, adapted = costs
    # Sec. 4.3: 275 MFLOPs and 21.02 MFLOPs, rounded. MobileOne's own paper includes the classifier
    # for ImageNet's 1000 classes, 1.0 MFLOPs.
    assert 1e3 * one.gflops + 1.024 == pytest.approx(275, abs=0.5)
    assert 1e3 * (adapted.gflops - one.gflops) == pytest.approx(21.02, rel=0.005)
    assert four.gflops == pytest.approx(4 * one.gflops)
    assert four.params_m == pytest.approx(4 * one.params_m)
    assert all(cost.seconds > 0 for cost in costs)


def test_every_encoder_runs_and_the_adapter_follows_one(tmp_path):
    config, _ = write_task(tmp_path, 'age', adapter=True)
    ran = []
    hook = register_module_forward_hook(lambda module, *_: ran.append(type(module)))

    def clock():
        """Return the number of encoder calls, plus 0.1 for each adapter call."""
        return ran.count(IRNet) + ran.count(KTAdapter) / 10

    with hook:
        costs = measure_encoder_costs({'small': Config.fromfile(config)}, 3, turns=2, clock=clock)
    assert [cost.seconds for cost in costs] == pytest.approx([1, 2, 3, 1.1])
    one, two, _, adapted = costs
    assert one.gflops < adapted.gflops < two.gflops == 2 * one.gflops
    assert adapted.params_m > one.params_m


def test_invalid_arguments(tmp_path):
    config, _ = write_task(tmp_path, 'age')
    with pytest.raises(ValueError, match='GlobalAveragePooling'):
        measure_encoder_costs({'baseline': Config.fromfile(config)})
    with pytest.raises(ValueError, match='not 0'):
        measure_encoder_costs({}, most=0)
