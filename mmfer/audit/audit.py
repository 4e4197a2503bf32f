# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Look at all pictures once, compare them and collect what was found."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch.utils.data import DataLoader

from .duplicates import Link, find_exact, find_near, groups_of
from .fingerprint import Fingerprint, take_fingerprint
from .pictures import Picture, Split
from .same_picture import SIZE
from .statistics import class_counts, imbalance, oddities, shared_people, size_statistics

_Track = Callable[[Iterable, int, str], Iterable]


@dataclass(frozen=True)
class Group:
    """Pictures that are all the same one.

    Attributes:
        members: Their numbers, ascending.
        links: What says so.
        leak: Whether they are in splits of different roles.
        labels: Their labels, each once; more than one is a contradiction.
    """

    members: tuple[int, ...]
    links: tuple[Link, ...]
    leak: bool
    labels: tuple[str, ...]


@dataclass
class Audit:
    """What was found. Pictures are numbered through all splits.

    Attributes:
        splits: What was looked at.
        pictures: All of them, in the order of the splits.
        split_of: Index of each picture's split.
        groups: Pictures that are the same, leaks first.
        alike: Pairs for a person to look at, the most similar and those across splits first.
        broken: Number -> why the picture cannot be read.
        odd: Number -> what is odd about it.
        counts: Split -> class -> number of pictures.
        sizes: Split -> :func:`~mmfer.audit.statistics.size_statistics`.
        people: Of :func:`~mmfer.audit.statistics.shared_people`.
    """

    splits: list[Split]
    pictures: list[Picture] = field(repr=False)
    split_of: list[int] = field(repr=False)
    groups: list[Group]
    alike: list[Link]
    broken: dict[int, str]
    odd: dict[int, tuple[str, ...]]
    counts: dict[str, dict[str, int]]
    sizes: dict[str, dict]
    people: list[dict]

    @property
    def leaks(self) -> list[Group]:
        """Groups across splits of different roles."""
        return [group for group in self.groups if group.leak]

    @property
    def contradictions(self) -> list[Group]:
        """Groups with more than one label."""
        return [group for group in self.groups if len(group.labels) > 1]

    @property
    def imbalances(self) -> dict[str, float | None]:
        """Split -> largest class as a multiple of the smallest."""
        return {name: imbalance(counts) for name, counts in self.counts.items()}

    def across(self, first: int, second: int) -> bool:
        """Whether two pictures are in splits of different roles."""
        roles = [self.splits[self.split_of[number]].roles for number in (first, second)]
        return roles[0] != roles[1]

    def overlap(self) -> list[list[int]]:
        """Row i, column j: pictures of split i that are also in split j; i = j: more than once."""
        table = [[0] * len(self.splits) for _ in self.splits]
        for group in self.groups:
            members = np.bincount([self.split_of[n] for n in group.members], minlength=len(table))
            for i, own in enumerate(members.tolist()):
                for j, other in enumerate(members.tolist()):
                    if own and (other > 1 if i == j else other):
                        table[i][j] += own
        return table


def audit(
    splits: Sequence[Split],
    workers: int = 0,
    track: _Track = lambda items, total, title: items,
) -> Audit:
    """Read every picture, compare all with all, and collect what is wrong.

    Kept of a picture are some 500 bytes and, in a temporary file, a thumbnail of 4 KiB.

    Args:
        splits: From :mod:`~mmfer.audit.pictures`. Equal ones are one, see
            :func:`~mmfer.audit.pictures.merge_equal`.
        workers: Processes that read; 0 reads in this one. Default 0.
        track: Wraps iterators to show progress, given their number of items and a title.
    """
    pictures = [picture for split in splits for picture in split.pictures]
    split_of = [index for index, split in enumerate(splits) for _ in split.pictures]
    with tempfile.TemporaryFile() as file:
        thumbnails = np.memmap(file, np.uint8, 'w+', shape=(max(len(pictures), 1), SIZE, SIZE))
        fingerprints = _take_all(pictures, thumbnails, workers, track)
        near = find_near(
            fingerprints, thumbnails, lambda pairs, total: track(pairs, total, 'comparing')
        )
        del thumbnails
    links = [*find_exact(fingerprints), *(link for link in near if link.kind != 'alike')]
    result = Audit(
        splits=list(splits),
        pictures=pictures,
        split_of=split_of,
        groups=[],
        alike=[link for link in near if link.kind == 'alike'],
        broken={n: f.error for n, f in enumerate(fingerprints) if f.error},
        odd={},
        counts={split.name: class_counts(split.pictures) for split in splits},
        sizes={},
        people=shared_people([(split.name, split.pictures) for split in splits]),
    )
    start = 0
    for split in splits:
        own = fingerprints[start : start + len(split.pictures)]
        result.sizes[split.name] = size_statistics(own)
        result.odd.update({start + i: notes for i, notes in enumerate(oddities(own)) if notes})
        start += len(own)
    result.groups = [_group(result, group) for group in groups_of(links)]
    result.groups.sort(key=lambda group: (not group.leak, len(group.labels) < 2))
    result.alike.sort(key=lambda k: (not result.across(k.first, k.second), -k.similarity))
    return result


def _take_all(
    pictures: list[Picture], thumbnails: np.memmap, workers: int, track: _Track
) -> list[Fingerprint]:
    # Without batches: an item is what the dataset returns. The loader keeps the order.
    loader = DataLoader(_Fingerprints(pictures), None, num_workers=workers, collate_fn=_unchanged)
    fingerprints = []
    for number, fingerprint in enumerate(track(loader, len(pictures), 'reading')):
        if fingerprint.thumbnail is not None:
            thumbnails[number] = fingerprint.thumbnail
            fingerprint.thumbnail = None
        fingerprints.append(fingerprint)
    return fingerprints


class _Fingerprints:
    """A map-style dataset whose items are taken by the data loader's workers."""

    def __init__(self, pictures: list[Picture]):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Fingerprint:
        return take_fingerprint(self.pictures[index])


def _unchanged(item):
    return item


def _group(result: Audit, links: list[Link]) -> Group:
    members = sorted({number for link in links for number in (link.first, link.second)})
    roles = {result.splits[result.split_of[number]].roles for number in members}
    labels = {result.pictures[number].label for number in members} - {None}
    return Group(tuple(members), tuple(links), len(roles) > 1, tuple(sorted(labels)))
