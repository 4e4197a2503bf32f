# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Published weights with facts, and a model index that includes them."""

import hashlib
from pathlib import Path

import yaml
from task_models import write_task

from mmfer.apis import model_index
from mmfer.apis.publish_model import publish_model

FACTS = """
purpose: To try the machinery.
date: 2026-01-31
training_data:
  - name: Drawn faces
    images: 12
    licence: CC0-1.0
results:
  - data: drawn faces, test split
    protocol: one view of each
    metrics: {accuracy/top1: 14.285714, class_accuracy/mean: 14, class_accuracy/Anger: 50}
limits: It was not trained.
"""


def publish_with_facts(folder: Path) -> tuple[Path, Path]:
    """Write the config and the published weights of an untrained model of seven expressions."""
    config, checkpoint = write_task(folder, 'expression', backbone='apvit')
    (folder / 'facts.yml').write_text(FACTS)
    path = publish_model(
        config, checkpoint, folder / 'net.safetensors', half=True, facts=folder / 'facts.yml'
    )
    return config, path


def include(monkeypatch, folder: Path) -> Path:
    """Use a model index with two models, the first without and the second with weights.

    Args:
        monkeypatch: Restores the index.
        folder: Replaces the parent folder of the package.

    Returns:
        Path of the included weights, of the model ``expression-apvit``.
    """
    config, published = publish_with_facts(folder)
    path = folder / 'mmfer/weights' / published.name
    path.parent.mkdir(parents=True)
    published.rename(path)
    entry = dict(
        Name=config.stem,
        Config=config.name,
        Results=[dict(Task='Image Classification', Dataset='Drawn')],
    )
    weights = dict(
        Weights=f'mmfer/weights/{path.name}',
        SHA256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    models = [dict(entry, Name='without-weights'), dict(entry, **weights)]
    (folder / 'metafile.yml').write_text(yaml.safe_dump(dict(Models=models)))
    (folder / 'model-index.yml').write_text('Import: [metafile.yml]')
    monkeypatch.setattr(model_index, '_PLACES', (folder,))
    monkeypatch.setattr(model_index, '_PACKAGE', folder / 'mmfer')
    return path
