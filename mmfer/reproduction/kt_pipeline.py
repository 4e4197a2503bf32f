# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The whole procedure of the KT-Adapter: baselines of all tasks, then the adapters.

Not yet one of :mod:`.runs`, whose starting weights belong to databases: here they belong to rows,
one file for each task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmfer.tasks import TASKS
from mmfer.utils.config_options import merge_options

from .index import Index
from .runs import data_roots, set_data_root, set_seed
from .stages import Stage, StageError
from .variants import Variants

#: The data that can be trained on, and what the index calls it for each task.
DATA = {
    'synthface': {task: f'synthface-{task}-64px' for task in TASKS},
    'paper': {
        'expression': 'affectnet-hq-224px',
        'age': 'utkface-224px',
        'landmarks': 'wflw-224px',
        'recognition': 'cfp-224px',
    },
    'paper-64px': {
        'expression': 'affectnet-hq-64px',
        'age': 'utkface-64px',
        'landmarks': 'wflw-64px',
        'recognition': 'cfp-64px',
    },
}


@dataclass
class Choice:
    """What the pipeline is to do.

    Args:
        canonical: Tasks to train an adapter for.
        encoder: Canonical encoder, as the index names it: ``'mobileone-s0'`` …
        priors: Encoder of the priors, likewise.
        data: A key of :data:`DATA`.
        seeds: A run for each.
        work_dir: Where all stages go.
        num_priors: How many priors; all by default.
        cache: Whether prior tokens are computed once. The adapter then sees pictures without
            augmentation.
        data_roots: Task -> folder of its dataset, instead of the config's.
        baselines: (Encoder, task) -> checkpoint of a baseline that exists already.
        options: ``--cfg-options`` for every stage.
        adapter_options: ``--cfg-options`` for the adapters.
        processes: GPUs, or processes on CPUs, for each training.
    """

    canonical: Sequence[str]
    encoder: str
    priors: str
    data: str
    seeds: Sequence[int]
    work_dir: Path
    num_priors: int | None = None
    cache: bool = False
    data_roots: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    options: Mapping = field(default_factory=dict)
    adapter_options: Mapping = field(default_factory=dict)
    processes: int = 1


class KTPipeline:
    """Lays out the stages of a :class:`Choice`.

    Args:
        choice: What to do.
        index: The KT-Adapter's, with a variant for each encoder and each pair of them.
        tools: Folder of ``train.py`` and ``test.py``.
    """

    def __init__(self, choice: Choice, index: Index, tools: Path):
        self.choice = choice
        self.variants = Variants(index)
        self.tools = tools

    def baseline(self, task: str, encoder: str, seed: int) -> Stage:
        """The training of a baseline, or the one that is given."""
        cfg, name = self._config(task, encoder, seed, self.choice.options)
        given = self.choice.baselines.get((encoder, task))
        return self._stage(f'baseline {encoder}, {task}', cfg, name, seed, given=given)

    def adapter(self, task: str, seed: int, start: Path, priors: Mapping[str, Path]) -> Stage:
        """The training of the adapter for ``task``.

        Args:
            task: The canonical task.
            seed: Seed of the run.
            start: Checkpoint of the canonical task's baseline.
            priors: Task -> checkpoint of the baseline whose encoder is the prior.
        """
        choice = self.choice
        pair = f'{choice.priors}-to-{choice.encoder}'
        options = {**choice.options, **choice.adapter_options}
        cfg, name = self._config(task, pair, seed, options)
        cfg.model.init_cfg.checkpoint = str(start)
        for prior, checkpoint in priors.items():
            cfg.model.priors[prior].checkpoint = str(checkpoint)
        if choice.cache:
            name += '_cached'
            self._use_cache(cfg)
        if choice.num_priors is not None:
            name += f'_{choice.num_priors}priors'
            cfg.model.num_priors = choice.num_priors
        title = f'adapter {choice.priors} to {choice.encoder}, {task}'
        return self._stage(title, cfg, f'kt-adapter_{name}', seed, (start, *priors.values()))

    def prior_tasks(self, task: str) -> list[str]:
        """Tasks whose baselines the adapter for ``task`` needs, the configs' own order."""
        others = [other for other in TASKS if other != task]
        return others[: self.choice.num_priors]

    def check(self) -> None:
        """Look for everything that is needed, rather now than after a day of training.

        Raises:
            StageError: A config, a dataset's folder or a given checkpoint is missing.
            UnknownOptionError: A config does not have one of the options.
        """
        choice = self.choice
        for (encoder, task), path in choice.baselines.items():
            if not path.is_file():
                raise StageError(f'there is no {path}, given as baseline {encoder}, {task}')
        seed = choice.seeds[0]
        for task in choice.canonical:
            start = self.baseline(task, choice.encoder, seed)
            priors = {
                other: self.baseline(other, choice.priors, seed) for other in self.prior_tasks(task)
            }
            checkpoints = {other: stage.checkpoint for other, stage in priors.items()}
            self.adapter(task, seed, start.checkpoint, checkpoints)
            for needed, stage in {task: start, **priors}.items():
                for root in data_roots(stage.cfg):
                    if not Path(root).is_dir():
                        raise StageError(
                            f'there is no folder {root}, with the data for {needed}; say where it '
                            f'is: --data-root {needed}=DIR'
                        )

    def _config(self, task: str, variant: str, seed: int, options: Mapping) -> tuple[Config, str]:
        """The config of a variant, not yet fitted to this machine, and a name for its folder."""
        database = DATA[self.choice.data][task]
        entries = self.variants.index.variants.values()
        known = [entry.name for entry in entries if database in entry.configs]
        if variant not in known:
            raise StageError(
                f'there is no {variant} for {database} in the index of the configs; there are\n  '
                + '\n  '.join(sorted(known))
            )
        cfg = self.variants.config(database, variant)
        merge_options(cfg, options)
        set_seed(cfg, seed)
        if task in self.choice.data_roots:
            set_data_root(cfg, self.choice.data_roots[task])
        schedule = self.variants.path(database, variant).stem.partition('_1xb')[2]
        return cfg, f'{variant}_1xb{schedule}'

    def _use_cache(self, cfg: Config) -> None:
        """Train on what testing sees, for which the priors' tokens need computing only once."""
        cfg.train_dataloader.dataset.pipeline = cfg.test_dataloader.dataset.pipeline
        cfg.custom_hooks = [
            *(cfg.get('custom_hooks') or []),
            dict(type='PriorTokenCacheHook'),  # in the stage's own folder
        ]

    def _stage(
        self,
        name: str,
        cfg: Config,
        folder: str,
        seed: int,
        inputs: Sequence[Path] = (),
        given: Path | None = None,
    ) -> Stage:
        path = self.choice.work_dir / folder / f'seed{seed}'
        name = f'{name}, seed {seed}'
        return Stage(name, cfg, path, inputs, self.tools, self.choice.processes, given)
