# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The weights that come with mmfer, in ``mmfer/weights``: files that the model index names."""

from mmfer.checkpoint import CheckpointError
from mmfer.utils.file_digest import file_digest

from .model_index import IndexedModel, read_model_index
from .published_facts import published_facts


def included_model() -> IndexedModel:
    """The model that is used where none is named: the first of the index whose weights are here.

    Raises:
        FileNotFoundError: The package was installed without its index.
        ValueError: There is none.
    """
    for model in read_model_index().values():
        if model.included:
            return model
    raise ValueError(
        'no weights come with this mmfer: name a model (model=..., --model), such as a checkpoint '
        'that training saved'
    )


def checked_weights(model: IndexedModel) -> str | None:
    """Where the weights of a model are; None where the index names none.

    Raises:
        FileNotFoundError: They should be in the package and are not.
        CheckpointError: They are not those that the index means.
    """
    if model.weights is None or '://' in model.weights:
        return model.weights
    if not model.included:
        raise FileNotFoundError(
            f'{model.weights} is missing, the weights of {model.name}: install mmfer again, or '
            'name a checkpoint as weights (--weights)'
        )
    found = file_digest(model.weights)
    if found != model.sha256:
        raise CheckpointError(
            f'{model.weights} was altered or damaged: its sha256 is {found}, and that of the '
            f'weights of {model.name} is {model.sha256}. Install mmfer again'
        )
    return model.weights


def introduce(model: IndexedModel) -> str:
    """One line about a model whose weights come with mmfer, for those who did not name it."""
    about = published_facts(model.weights)
    data = [item['name'] for item in about.get('facts', {}).get('training_data', [])]
    return (
        f'using {model.name}, which comes with mmfer: {len(about.get("classes", []))} classes, '
        f'trained on {" and ".join(data) or model.dataset}. It names how a face looks, not what '
        'somebody feels'
    )
