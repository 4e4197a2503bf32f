# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Time a training step of a KT-Adapter with prior encoders, with cached tokens, and without priors.

    python tools/analysis_tools/benchmark_prior_cache.py CONFIG --batch-size 4 --steps 5

A step is the forward and backward pass and the update, on random images of the config's size in
memory; the time for reading data is not included. The three kinds of steps take turns, so that a
busy machine slows all of them. Medians are reported; the speed-up is the median of the ratios
within a turn. Weights are random, because they do not change the time, so no checkpoint is needed.
"""

import sys
from collections.abc import Sequence

from mmfer.utils.config_arguments import add_config_options, positive, tool_parser


def measure(cfg, size: tuple[int, int], batch_size: int, steps: int, device: str) -> dict:
    """Measure the time of each kind of step in seconds; see the docstring of the module."""
    import copy
    import statistics
    import tempfile
    from functools import partial

    import torch

    from mmfer.benchmark.timing import interleave
    from mmfer.benchmark.training import TrainStep
    from mmfer.models import FaceAnalyzer
    from mmfer.models.analyzers.prior_token_cache import PriorTokenCache

    step = TrainStep(cfg, batch_size, device, size)
    model = step.model
    if not isinstance(model, FaceAnalyzer) or not model.prior_configs:
        raise SystemExit(f'error: {cfg.filename} is not a config of a FaceAnalyzer with priors')
    priors = model.build_priors()

    def step_with(source):
        model.prior_cache = source
        step()

    with tempfile.TemporaryDirectory() as folder:
        inputs = model.data_preprocessor(copy.deepcopy(step.batch), True)['inputs']
        cache = PriorTokenCache.build(folder, {}, [priors(inputs)], batch_size)
        # The canonical encoder and the adapter alone need no tokens.
        sources = dict(encoders=None, cache=cache, alone=lambda inputs, data_samples: {})
        runs = {name: partial(step_with, source) for name, source in sources.items()}
        times = {name: taken.times for name, taken in interleave(runs, steps).items()}
    ratios = [slow / fast for slow, fast in zip(times['encoders'], times['cache'], strict=True)]
    encoders = priors.encoders.values()
    return dict(
        size=list(size),
        batch_size=batch_size,
        steps=steps,
        device=device,
        threads=torch.get_num_threads(),
        priors=list(priors.tasks),
        priors_params_m=sum(p.numel() for e in encoders for p in e.parameters()) / 1e6,
        seconds={name: statistics.median(values) for name, values in times.items()},
        speed_up=statistics.median(ratios),
        speed_up_range=[min(ratios), max(ratios)],
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file of a KT-Adapter')
    parser.add_argument(
        '--batch-size', type=positive, default=4, help='images per step (default: 4)'
    )
    parser.add_argument(
        '--steps', type=positive, default=5, help='timed steps of each kind (default: 5)'
    )
    parser.add_argument(
        '--size',
        type=int,
        metavar='PIXELS',
        help='side of the images (default: the size in the model or the test pipeline, else 224)',
    )
    parser.add_argument('--device', default='cpu', help="such as 'cuda' (default: cpu)")
    parser.add_argument('--json', metavar='FILE', help='also write the results to FILE')
    add_config_options(parser)
    args = parser.parse_args(argv)

    # Imported late, so that --help is quick.
    import logging

    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    from mmfer.engine.launch import load_config
    from mmfer.utils.atomic_file import atomic_write_json
    from mmfer.utils.config_options import parse_options
    from mmfer.utils.image_size import image_size

    init_default_scope('mmfer')
    MMLogger.get_instance('benchmark', log_level=logging.ERROR)  # not one line per weight
    cfg = load_config(args.config, parse_options(args.cfg_options))
    size = (args.size,) * 2 if args.size else image_size(cfg)[0]
    figures = measure(cfg, size, args.batch_size, args.steps, args.device)
    seconds = figures['seconds']
    height, width = size
    print(
        f'{args.config}\n{args.batch_size} images of {height}x{width} a step, median of '
        f'{args.steps} steps on {args.device}, {figures["threads"]} thread(s)'
    )
    print(f'  prior encoders running   {seconds["encoders"] * 1e3:10.1f} ms')
    print(f'  prior tokens stored      {seconds["cache"] * 1e3:10.1f} ms')
    print(f'  no priors at all         {seconds["alone"] * 1e3:10.1f} ms')
    low, high = figures['speed_up_range']
    print(
        f'  stored tokens are {figures["speed_up"]:.1f} times as fast ({low:.1f} to {high:.1f}) '
        f'and keep {figures["priors_params_m"]:.0f} M parameters out of memory'
    )
    if args.json:
        atomic_write_json(args.json, figures)
    return 0


if __name__ == '__main__':
    sys.exit(main())
