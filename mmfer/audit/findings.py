# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What an audit found, in plain values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One image.

    Attributes:
        number (int): Its place in the lists of all splits, one after the other.
        split (str): The split's name.
        name (str): Path of the file, or a name where there is none.
        label (str, optional): Class or age; None where there is none.
        person (str, optional): Who is shown, where the dataset knows.
    """

    number: int
    split: str
    name: str
    label: str | None
    person: str | None


@dataclass(frozen=True)
class Pair:
    """Two images that are the same or alike.

    Attributes:
        first (Entry): One of them.
        second (Entry): The other, with the greater number.
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
    """Images that are all the same one.

    Attributes:
        leak (bool): Whether they are in splits of different roles.
        labels (list[str]): Their labels, each once; more than one is a contradiction.
        images (list[Entry]): By ascending number.
        links (list[Pair]): Why they are the same.
    """

    leak: bool
    labels: list[str]
    images: list[Entry]
    links: list[Pair]


@dataclass(frozen=True)
class Audit:
    """What was found, in plain values: these are the keys of ``report.json`` (docs/audit.md).

    Attributes:
        thresholds (dict[str, float]): Similarities from which two images are the ``same`` or
            ``alike``.
        splits (list[dict]): ``name``, ``roles``, number of ``images``, files ``left_out``,
            ``sizes`` (see :func:`~mmfer.audit.statistics.size_statistics`), ``classes`` (label ->
            number) and ``imbalance`` of each.
        overlap (list[list[int]]): Row i, column j: images of split i that are also in split j; i =
            j: more than once.
        groups (list[Group]): Images that are the same: leaks first, then contradictions.
        alike (list[Pair]): Pairs for a person to look at: those across splits and the most similar
            first.
        broken (list[dict]): Entries of images that cannot be read, with a ``reason``.
        misplaced (list[dict]): Entries of images whose boxes or points cannot be about them, with a
            ``reason``.
        odd (list[dict]): Entries of images that are odd, with ``notes``.
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
        """Whether there is no leak, and every file can be read and is what its boxes are about."""
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
