# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The weights that come with mmfer, in ``mmfer/weights``, as listed in the model index."""

from mmfer.checkpoint import CheckpointError
from mmfer.utils.file_digest import file_digest

from .model_index import IndexedModel, read_model_index
from .published_facts import published_facts


def included_model() -> IndexedModel:
    """Return the default model: the first in the index whose weights come with mmfer.

    Raises:
        FileNotFoundError: The package was installed without its index.
        ValueError: No weights come with this mmfer.
    """
    for model in read_model_index().values():
        if model.included:
            return model
    raise ValueError(
        'no weights come with this mmfer: pass a model (model=..., --model), such as a checkpoint '
        'saved by training'
    )


def checked_weights(model: IndexedModel) -> str | None:
    """Return the path of a model's weights; None if the index has none.

    Raises:
        FileNotFoundError: The weights should be part of the package, but are missing.
        CheckpointError: Their sha256 differs from that in the index.
    """
    if model.weights is None:
        return None
    if not model.included:
        raise FileNotFoundError(
            f'{model.weights}, the weights of {model.name}, is missing: install mmfer again, or '
            'pass a checkpoint as weights (--weights)'
        )
    found = file_digest(model.weights)
    if found != model.sha256:
        raise CheckpointError(
            f'{model.weights} was changed or damaged: its sha256 is {found}, but the weights of '
            f'{model.name} have {model.sha256}. Install mmfer again'
        )
    return model.weights


def introduce(model: IndexedModel) -> str:
    """Return one line about a model that comes with mmfer, for users who did not select it."""
    about = published_facts(model.weights)
    data = [item['name'] for item in about.get('facts', {}).get('training_data', [])]
    return (
        f'using {model.name}, which comes with mmfer: {len(about.get("classes", []))} classes, '
        f'trained on {" and ".join(data) or model.dataset}. It predicts how a face looks, not what '
        'a person feels'
    )
