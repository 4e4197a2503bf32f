# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The whole procedure of the KT-Adapter: baselines of all tasks, then the adapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmfer.tasks import TASKS
from mmfer.utils.config_options import merge_options
from mmfer.utils.dataset_config import unwrapped

from .stages import Stage, StageError

#: The data that configs exist for, and how a config's name ends for each task.
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
        encoder: Canonical encoder, as in the configs' names: ``'mobileone-s0'`` …
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


def find_config(folder: Path, start: str, end: str) -> Path:
    """The one config under ``folder`` that is called ``<start>_..._<end>.py``.

    Raises:
        StageError: There is none; says which there are for that data.
    """
    found = sorted(folder.rglob(f'{start}_1xb*_{end}.py'))
    if len(found) != 1:
        names = {path.stem.split('_1xb')[0] for path in folder.rglob(f'*_{end}.py')}
        raise StageError(
            f'there is no config {start}_..._{end}.py under {folder}; for this data there are\n  '
            + '\n  '.join(sorted(names) or ['none'])
        )
    return found[0]


class KTPipeline:
    """Lays out the stages of a :class:`Choice` and gathers what they reach.

    Args:
        choice: What to do.
        configs: Folder of the KT-Adapter's configs.
        tools: Folder of ``train.py`` and ``test.py``.
    """

    def __init__(self, choice: Choice, configs: Path, tools: Path):
        self.choice = choice
        self.configs = configs
        self.tools = tools

    def baseline(self, task: str, encoder: str, seed: int) -> Stage:
        """The training of a baseline, or the one that is given."""
        path = find_config(self.configs, encoder, DATA[self.choice.data][task])
        cfg = self._load(path, task, seed, self.choice.options)
        given = self.choice.baselines.get((encoder, task))
        return self._stage(f'baseline {encoder}, {task}', cfg, path, seed, given=given)

    def adapter(self, task: str, seed: int, start: Path, priors: Mapping[str, Path]) -> Stage:
        """The training of the adapter for ``task``.

        Args:
            task: The canonical task.
            seed: Seed of the run.
            start: Checkpoint of the canonical task's baseline.
            priors: Task -> checkpoint of the baseline whose encoder is the prior.
        """
        choice = self.choice
        name = f'kt-adapter_{choice.priors}-to-{choice.encoder}'
        path = find_config(self.configs, name, DATA[choice.data][task])
        cfg = self._load(path, task, seed, {**choice.options, **choice.adapter_options})
        cfg.model.init_cfg.checkpoint = str(start)
        for prior, checkpoint in priors.items():
            cfg.model.priors[prior].checkpoint = str(checkpoint)
        if choice.num_priors is not None:
            cfg.model.num_priors = choice.num_priors
        variant = ''
        if choice.cache:
            variant += '_cached'
            self._use_cache(cfg)
        if choice.num_priors is not None:
            variant += f'_{choice.num_priors}priors'
        title = f'adapter {choice.priors} to {choice.encoder}, {task}'
        return self._stage(title, cfg, path, seed, (start, *priors.values()), variant)

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
                root = unwrapped(stage.cfg.train_dataloader.dataset).get('data_root')
                if root is not None and not Path(root).is_dir():
                    raise StageError(
                        f'there is no folder {root}, with the data for {needed}; say where it is: '
                        f'--data-root {needed}=DIR'
                    )

    def _load(self, path: Path, task: str, seed: int, options: Mapping) -> Config:
        # Not yet fitted to this machine, as the tools do, so that another one can go on.
        cfg = Config.fromfile(path)
        merge_options(cfg, options)
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
        root = self.choice.data_roots.get(task)
        if root is not None:
            for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
                unwrapped(loader.dataset).data_root = root
        return cfg

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
        path: Path,
        seed: int,
        inputs: Sequence[Path] = (),
        variant: str = '',
        given: Path | None = None,
    ) -> Stage:
        folder = self.choice.work_dir / f'{path.stem}{variant}' / f'seed{seed}'
        name = f'{name}, seed {seed}'
        return Stage(name, cfg, folder, inputs, self.tools, self.choice.processes, given)
