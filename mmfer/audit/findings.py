# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The findings of an audit, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One image.

    Attributes:
        number (int): Index in the concatenated lists of all splits.
        split (str): Name of the split.
        name (str): Path of the file, or a name if there is no file.
        label (str, optional): Class or age; None if unlabeled.
        person (str, optional): Identity of the person; None if unknown.
    """

    number: int
    split: str
    name: str
    label: str | None
    person: str | None


@dataclass(frozen=True)
class Pair:
    """Two images that are the same or similar.

    Attributes:
        first (Entry): One image.
        second (Entry): The other image, with the larger number.
        kind (str): A key of :data:`~mmfer.audit.duplicates.KINDS`, or ``'alike'``.
        similarity (float): From :data:`~mmfer.audit.duplicates.ALIKE` to 1.
        across (bool): Whether they are in splits of different roles.
    """

    first: Entry
    second: Entry
    kind: str
    similarity: float
    across: bool

    @property
    def images(self) -> list[Entry]:
        """Both images."""
        return [self.first, self.second]


@dataclass(frozen=True)
class Group:
    """Copies of one image.

    Attributes:
        leak (bool): Whether they are in splits of different roles.
        labels (list[str]): Their distinct labels; more than one is a contradiction.
        images (list[Entry]): The copies, by ascending number.
        links (list[Pair]): The pairs that connect them.
    """

    leak: bool
    labels: list[str]
    images: list[Entry]
    links: list[Pair]


@dataclass(frozen=True)
class Audit:
    """Findings as plain values. The attributes are keys of ``report.json`` (docs/audit.md).

    Attributes:
        thresholds (dict[str, float]): Smallest similarity of images that are the ``same`` or
            ``alike``.
        splits (list[dict]): For each split: ``name``, ``roles``, number of ``images``, skipped
            files ``skipped``, ``sizes`` (see :func:`~mmfer.audit.statistics.size_statistics`),
            ``classes`` (label -> number) and ``imbalance``.
        overlap (list[list[int]]): Row i, column j: number of images of split i that are also in
            split j. On the diagonal: number of images that the split has more than once.
        groups (list[Group]): Groups of copies: leaks first, then contradictions.
        alike (list[Pair]): Pairs that a person should check. Pairs across splits come first, then
            the most similar ones.
        broken (list[dict]): Entries of unreadable images, with a ``reason``.
        misplaced (list[dict]): Entries of images with boxes or points that cannot belong to them,
            with a ``reason``.
        odd (list[dict]): Entries of odd images, with ``notes``.
        people (list[dict]): See :func:`~mmfer.audit.statistics.shared_people`.
    """

    thresholds: dict[str, float]
    splits: list[dict]
    overlap: list[list[int]]
    groups: list[Group]
    alike: list[Pair]
    broken: list[dict]
    misplaced: list[dict]
    odd: list[dict]
    people: list[dict]

    @property
    def clean(self) -> bool:
        """Whether there is no leak, no unreadable file and no misplaced annotation."""
        return not (self.leaks or self.broken or self.misplaced)

    @property
    def leaks(self) -> list[Group]:
        """Groups across splits of different roles."""
        return [group for group in self.groups if group.leak]

    @property
    def contradictions(self) -> list[Group]:
        """Groups with more than one label."""
        return [group for group in self.groups if len(group.labels) > 1]

    @property
    def duplicates(self) -> list[Group]:
        """Groups within splits of one role."""
        return [group for group in self.groups if not group.leak]
