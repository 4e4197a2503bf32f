# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import os
import platform
from pathlib import Path

import torch


def describe_machine(device: str = 'cpu') -> dict[str, str | int | float]:
    """Return what every timing should be reported with: processor, threads, versions, load.

    Args:
        device (str): The device of the models. Defaults to ``'cpu'``.

    Returns:
        ``device``, ``cpu``, ``cores``, ``threads``, ``capability`` (vector instructions used by
        PyTorch), ``load`` (average number of running processes in the last minute, if the system
        has it), ``torch``, ``python``.
    """
    facts = dict(
        device=torch.cuda.get_device_name(device) if device != 'cpu' else 'cpu',
        cpu=_processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        capability=torch.backends.cpu.get_cpu_capability(),
        torch=torch.__version__,
        python=platform.python_version(),
    )
    if hasattr(os, 'getloadavg'):
        facts['load'] = round(os.getloadavg()[0], 2)
    return facts


def _processor() -> str:
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(':')
            if key.strip() == 'model name':
                return value.strip()
    return platform.processor() or platform.machine()
