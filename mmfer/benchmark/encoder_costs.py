# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmfer.analysis.model_cost import published_cost
from mmfer.deployment.untrained import random_model
from mmfer.models import KTAdapter
from mmfer.tasks import TASKS
from mmfer.utils.reparameterize import merge_branches
from mmfer.visualization.encoder_costs import EncoderCost

from .timing import CLOCKS, interleave
from .variants import random_inputs


def measure_encoder_costs(
    configs: Mapping[str, Config],
    most: int = len(TASKS),
    turns: int = 5,
    device: str = 'cpu',
    clock: Callable[[], float] = CLOCKS['wall'],
) -> list[EncoderCost]:
    """Measure ensembles of 1 to ``most`` encoders, and one encoder with its KT-Adapter.

    An ensemble has one encoder per task and runs all of them on every image. Here the encoders have
    separate weights in memory and run in sequence. Decoders and the fusion of the encoders'
    features are not included, so a real ensemble costs more.

    FLOPs are counted as in the paper: with merged branches of the encoder, and the adapter as
    trained. Time is measured on the models for inference, in which the adapter's knowledge token is
    also folded into constants. Weights are random, and no data is read.

    Args:
        configs (Mapping[str, Config]): Name of the encoder -> config of a KT-Adapter. The priors of
            the config have no effect.
        most (int): Encoders in the largest ensemble, at least 1. Defaults to 4, one per task.
        turns (int): Timed calls per model. Defaults to 5.
        device (str): Device of the models. Defaults to ``'cpu'``.
        clock (Callable[[], float]): One of :data:`.CLOCKS`. Defaults to ``'wall'``.

    Returns:
        For every encoder, ``most`` ensembles, then the encoder with the adapter.

    Raises:
        ValueError: A config has no KT-Adapter, or ``most`` is less than 1.
    """
    if most < 1:
        raise ValueError(f'an ensemble has at least 1 encoder, not {most}')
    costs = []
    for name, cfg in configs.items():
        model = random_model(cfg)
        if not isinstance(model.neck, KTAdapter):
            raise ValueError(
                f'{cfg.filename or name}: model.neck is a {type(model.neck).__name__}; this needs '
                'the config of a KT-Adapter'
            )
        merge_branches(model)
        costs += _measure(name, cfg, model.to(device), most, turns, clock)
    return costs


def _measure(
    name: str,
    cfg: Config,
    model: ImageClassifier,
    most: int,
    turns: int,
    clock: Callable[[], float],
) -> list[EncoderCost]:
    encoder, adapter = model.backbone, model.neck
    inputs = random_inputs(cfg, 1, next(model.parameters()).device)
    encoders = [encoder, *(copy.deepcopy(encoder) for _ in range(most - 1))]
    ensembles = range(1, most + 1)
    runs = {number: partial(_run_all, encoders[:number], inputs) for number in ensembles}
    runs['adapter'] = lambda: adapter(encoder(inputs))
    times = interleave(runs, turns, clock=clock)
    gflops, params = published_cost(cfg).by_module, _params_m(encoder)
    return [
        *(
            EncoderCost(
                name,
                number,
                False,
                number * gflops['backbone'],
                number * params,
                times[number].median,
            )
            for number in ensembles
        ),
        EncoderCost(
            name,
            1,
            True,
            gflops['backbone'] + gflops['neck'],
            params + _params_m(adapter),
            times['adapter'].median,
        ),
    ]


def _run_all(encoders: Sequence[nn.Module], inputs: Tensor) -> None:
    for encoder in encoders:
        encoder(inputs)


def _params_m(module: nn.Module) -> float:
    return sum(weight.numel() for weight in module.parameters()) / 1e6
