# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What a report says, in order, whether it is for the screen, Markdown or HTML."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .audit import Audit, Group
from .duplicates import ALIKE, KINDS, SAME, Link

#: Pictures of a group that are shown; the rest is counted.
SHOWN = 8

_NAMED = 5  # names listed on the screen before 'and … more'


@dataclass
class Strip:
    """Pictures side by side: numbers of pictures, with what they have in common."""

    caption: str
    pictures: list[int]


@dataclass
class Section:
    """A title with a sentence, a table or rows of pictures below it.

    Attributes:
        title: A heading.
        text: Sentences.
        header: Of the table; empty where there is none.
        rows: Of the table, as many cells as the header has.
        strips: Rows of pictures.
    """

    title: str
    text: str = ''
    header: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)


def verdict(result: Audit) -> str:
    """The outcome in a line."""
    parts = []
    if result.leaks:
        parts.append(f'{_count(len(result.leaks), "picture")} in splits that should be apart')
    if result.broken:
        parts.append(f'{_count(len(result.broken), "unreadable file")}')
    return 'NOT CLEAN: ' + ' and '.join(parts) if parts else 'clean: no leak, no unreadable file'


def sections_of(result: Audit, max_shown: int = 100) -> list[Section]:
    """All that there is to say; sections with nothing to tell are left out.

    Args:
        result: What was found.
        max_shown: Groups, pairs and names a section shows at most. Default 100.
    """
    inside = [group for group in result.groups if not group.leak]
    sections = [
        Section('Verdict', verdict(result) + '.' + _same_lists(result)),
        _splits(result),
        _overlap(result),
        _groups(
            result,
            f'Leaks: {_count(len(result.leaks), "picture")} in more than one split',
            'What is learned from them in training is asked for in testing.',
            result.leaks,
            max_shown,
        ),
        _groups(
            result,
            f'Contradictions: {_count(len(result.contradictions), "picture")} with two labels',
            'The same picture, different labels.',
            result.contradictions,
            max_shown,
        ),
        _groups(
            result,
            f'Duplicates: {_count(len(inside), "picture")} more than once in a split',
            'They count more than others; no leak.',
            inside,
            max_shown,
        ),
        _alike(result, max_shown),
        _files(
            'Unreadable files',
            'Training would skip them or stop.',
            result,
            result.broken,
            max_shown,
        ),
        _files(
            'Odd files',
            'Worth a look; not necessarily wrong.',
            result,
            {number: '; '.join(notes) for number, notes in result.odd.items()},
            max_shown,
        ),
        _classes(result),
        _people(result),
    ]
    return [section for section in sections if section.text or section.rows or section.strips]


def to_text(result: Audit) -> str:
    """A summary for the screen."""
    lines = []
    for section in sections_of(result, _NAMED):
        lines += ['', section.title]
        if section.text:
            lines.append(f'  {section.text}')
        if section.header:
            table = [section.header, *section.rows]
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            lines += [
                '  ' + '  '.join(f'{c:<{w}}' for c, w in zip(row, widths, strict=True)).rstrip()
                for row in table
            ]
        for strip in section.strips:
            lines.append(f'  {strip.caption}')
            lines += [f'      {caption_of(result, number)}' for number in strip.pictures]
    return '\n'.join(lines[1:])


def caption_of(result: Audit, number: int) -> str:
    """Split, label and name of a picture."""
    picture = result.pictures[number]
    words = [result.splits[result.split_of[number]].name, picture.label, picture.name]
    return ' · '.join(word for word in words if word)


def _count(number: int, what: str) -> str:
    return f'{number:,} {what}' + ('' if number == 1 else 's')


def _same_lists(result: Audit) -> str:
    merged = [split.name for split in result.splits if len(split.roles) > 1]
    if not merged:
        return ''
    return (
        f' Note: {" and ".join(merged)} are one list of pictures, so the best epoch, if it is '
        'chosen, is chosen by looking at the test set.'
    )


def _splits(result: Audit) -> Section:
    header = (
        'split',
        'pictures',
        'unreadable',
        'size, smallest',
        'median',
        'largest',
        'grey',
        'median kB',
    )
    rows = []
    for index, split in enumerate(result.splits):
        sizes = result.sizes[split.name]
        broken = sum(result.split_of[number] == index for number in result.broken)
        row = [split.name, f'{len(split.pictures):,}', f'{broken:,}']
        if sizes:
            pairs = zip(sizes['width'], sizes['height'], strict=True)
            row += [f'{width:g}x{height:g}' for width, height in pairs]
            row += [f'{sizes["grey"] / (len(split.pictures) - broken):.0%}']
            row += [f'{sizes["num_bytes"][1] / 1000:.1f}' if sizes['num_bytes'][1] else '-']
        else:
            row += ['-'] * 5
        rows.append(tuple(row))
    return Section('Splits', '', header, rows)


def _overlap(result: Audit) -> Section:
    names = [split.name for split in result.splits]
    rows = [
        (name, *(f'{number:,}' for number in row))
        for name, row in zip(names, result.overlap(), strict=True)
    ]
    if not result.groups:
        rows = []
    text = 'Pictures of the row that are also in the column; on the diagonal, more than once.'
    return Section('Overlap', text if rows else '', ('', *names) if rows else (), rows)


def _groups(result: Audit, title: str, text: str, groups: list[Group], shown: int) -> Section:
    if not groups:
        return Section(title)
    strips = [Strip(_how(group), _choose(result, group)) for group in groups[:shown]]
    return Section(title, text + _more(len(groups), shown), strips=strips)


def _how(group: Group) -> str:
    kinds = [kind for kind in KINDS if any(link.kind == kind for link in group.links)]
    measured = [link.similarity for link in group.links if link.kind in ('near', 'mirrored')]
    words = [', '.join(KINDS[kind] for kind in kinds)]
    if measured:
        words.append(f'similarity {min(measured):.3f}')
    if len(group.members) > SHOWN:
        words.append(f'{len(group.members)} pictures, {SHOWN} of them shown')
    if len(group.labels) > 1:
        words.append('labels differ: ' + ', '.join(group.labels))
    return '; '.join(words)


def _choose(result: Audit, group: Group) -> list[int]:
    """Members to show: one of each split first, then the others, in order."""
    firsts = {result.split_of[number]: number for number in reversed(group.members)}
    rest = [number for number in group.members if number not in firsts.values()]
    return sorted([*firsts.values(), *rest][:SHOWN])


def _alike(result: Audit, shown: int) -> Section:
    title = f'Alike: {_count(len(result.alike), "pair")} to look at'
    if not result.alike:
        return Section(title)
    text = (
        f'Similarity {ALIKE} to {SAME}: other pictures of one sitting, neighbouring frames of a '
        'video, or strong changes of one picture. Not counted as leaks.'
    )
    strips = [
        Strip(f'similarity {link.similarity:.3f}{_across(result, link)}', [link.first, link.second])
        for link in result.alike[:shown]
    ]
    return Section(title, text + _more(len(result.alike), shown), strips=strips)


def _across(result: Audit, link: Link) -> str:
    return ', across splits' if result.across(link.first, link.second) else ''


def _files(title: str, text: str, result: Audit, why: dict[int, str], shown: int) -> Section:
    rows = [
        (result.splits[result.split_of[number]].name, result.pictures[number].name, reason)
        for number, reason in _first(why.items(), shown)
    ]
    title = f'{title}: {len(why):,}'
    if not rows:
        return Section(title)
    return Section(title, text + _more(len(why), shown), ('split', 'file', 'reason'), rows)


def _classes(result: Audit) -> Section:
    names = sorted({name for counts in result.counts.values() for name in counts})
    if not names or len(names) > 60:
        few = {split: len(counts) for split, counts in result.counts.items() if counts}
        text = ', '.join(f'{count} labels in {split}' for split, count in few.items())
        return Section('Classes', text + '.' if text else '')
    splits = list(result.counts)
    rows = [
        (name, *(f'{result.counts[split].get(name, 0):,}' for split in splits)) for name in names
    ]
    ratios = [f'{ratio:.1f}' if (ratio := result.imbalances[split]) else '-' for split in splits]
    rows.append(('largest / smallest', *ratios))
    return Section('Classes', '', ('class', *splits), rows)


def _people(result: Audit) -> Section:
    rows = [
        (
            ' and '.join(entry['splits']),
            f'{len(entry["people"])}',
            ' and '.join(map(str, entry['of'])),
        )
        for entry in result.people
    ]
    if not rows:
        return Section('People')
    text = (
        'Who is in two splits. Right for recognising people who are known; for anything else, '
        'results hold for known faces only (tools/dataset_converters/make_folds.py keeps people '
        'apart).'
    )
    return Section('People', text, ('splits', 'people in both', 'of'), rows)


def _more(count: int, shown: int) -> str:
    return f' The first {shown} of {count:,}:' if count > shown else ''


def _first(items: Iterable, count: int) -> list:
    return list(items)[:count]


def short_name(name: str) -> str:
    """The last two parts of a path."""
    return '/'.join(Path(name).parts[-2:])
