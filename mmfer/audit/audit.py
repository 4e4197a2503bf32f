# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Run an audit: read all images once, compare them and collect the findings."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice

import numpy as np
from torch.utils.data import DataLoader

from mmfer.utils.short_list import short_lines

from .duplicates import ALIKE, SAME, Link, find_exact, find_near, groups_of
from .findings import Audit, Entry, Group, Pair
from .fingerprint import Fingerprint, take_fingerprint
from .images import AuditImage, Split
from .same_image import SIZE
from .statistics import class_counts, imbalance, oddities, shared_people, size_statistics

_Track = Callable[[Iterable, int, str], Iterable]


def audit(
    splits: Sequence[Split],
    workers: int = 0,
    track: _Track = lambda items, total, title: items,
) -> Audit:
    """Read every image, compare it with all others, and collect the findings.

    An image takes about a kilobyte of memory, and its thumbnail 4 KiB in a temporary file.

    Args:
        splits (Sequence[Split]): From :mod:`~mmfer.audit.images`. Join equal ones first, see
            :func:`~mmfer.audit.images.merge_equal`.
        workers (int): Number of processes that read images; 0 reads in the main process. Defaults
            to 0.
        track (_Track): Wraps an iterable to show progress, given its number of items and a title.
            Defaults to no progress.
    """
    images = [image for split in splits for image in split.images]
    names = [split.name for split in splits for _ in split.images]
    entries = [
        Entry(number, split, image.name, image.label, image.person)
        for number, (split, image) in enumerate(zip(names, images, strict=True))
    ]
    fingerprints, near = _compare(images, workers, track)
    of_all = iter(fingerprints)
    of_splits = [list(islice(of_all, len(split.images))) for split in splits]
    notes = [texts for part in of_splits for texts in oddities(part)]

    roles = {split.name: split.roles for split in splits}
    links = [*find_exact(fingerprints), *(link for link in near if link.kind != 'alike')]
    groups = [_group(linked, entries, roles) for linked in groups_of(links)]
    groups.sort(key=lambda group: (not group.leak, len(group.labels) < 2))
    alike = [_pair(link, entries, roles) for link in near if link.kind == 'alike']
    alike.sort(key=lambda pair: (not pair.across, -pair.similarity))
    return Audit(
        thresholds=dict(same=SAME, alike=ALIKE),
        splits=[_summary(split, own) for split, own in zip(splits, of_splits, strict=True)],
        overlap=_overlap(groups, list(roles)),
        groups=groups,
        alike=alike,
        broken=[
            dict(asdict(entry), reason=fingerprint.error)
            for entry, fingerprint in zip(entries, fingerprints, strict=True)
            if fingerprint.error
        ],
        misplaced=[
            dict(asdict(entry), reason=short_lines(fingerprint.misplaced, '; ').removeprefix('; '))
            for entry, fingerprint in zip(entries, fingerprints, strict=True)
            if fingerprint.misplaced
        ],
        odd=[
            dict(asdict(entry), notes=texts)
            for entry, texts in zip(entries, notes, strict=True)
            if texts
        ],
        people=shared_people([(split.name, split.images) for split in splits]),
    )


def _compare(
    images: list[AuditImage], workers: int, track: _Track
) -> tuple[list[Fingerprint], list[Link]]:
    """Return the fingerprints of all images, and the links between similar images."""
    # Without batches, workers collate one image at a time. The loader keeps the order.
    loader = DataLoader(images, None, num_workers=workers, collate_fn=take_fingerprint)
    fingerprints = []
    with tempfile.TemporaryFile() as file:
        thumbnails = np.memmap(file, np.uint8, 'w+', shape=(max(len(images), 1), SIZE, SIZE))
        for number, fingerprint in enumerate(track(loader, len(images), 'reading')):
            if fingerprint.thumbnail is not None:
                thumbnails[number] = fingerprint.thumbnail
                fingerprint.thumbnail = None
            fingerprints.append(fingerprint)
        near = find_near(fingerprints, thumbnails, partial(track, title='comparing'))
        del thumbnails
    return fingerprints, near


def _pair(link: Link, entries: list[Entry], roles: dict[str, frozenset]) -> Pair:
    first, second = entries[link.first], entries[link.second]
    across = roles[first.split] != roles[second.split]
    return Pair(first, second, link.kind, link.similarity, across)


def _group(links: list[Link], entries: list[Entry], roles: dict[str, frozenset]) -> Group:
    members = [entries[n] for n in sorted({n for link in links for n in (link.first, link.second)})]
    return Group(
        leak=len({roles[entry.split] for entry in members}) > 1,
        labels=sorted({entry.label for entry in members} - {None}),
        images=members,
        links=[_pair(link, entries, roles) for link in links],
    )


def _summary(split: Split, fingerprints: list[Fingerprint]) -> dict:
    classes = class_counts(split.images)
    return dict(
        name=split.name,
        roles=sorted(split.roles),
        images=len(split.images),
        skipped=split.skipped,
        sizes=size_statistics(fingerprints),
        classes=classes,
        imbalance=imbalance(classes),
    )


def _overlap(groups: list[Group], names: list[str]) -> list[list[int]]:
    table = np.zeros((len(names), len(names)), int)
    for group in groups:
        members = np.array([[e.split == name for e in group.images] for name in names]).sum(1)
        # On the diagonal, an image counts only if the split has another copy.
        table += members[:, None] * (members > np.eye(len(names)))
    return table.tolist()
