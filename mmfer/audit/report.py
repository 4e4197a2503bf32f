# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Reports of an audit: JSON, an HTML page with thumbnails, and a text summary."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mmfer.utils.atomic_file import atomic_write, atomic_write_text
from mmfer.utils.plural import plural

from .duplicates import KINDS
from .findings import Audit, Entry, Group, Pair
from .fingerprint import read_image
from .images import AuditImage, Split

HTML, JSON, THUMBNAILS = 'report.html', 'report.json', 'thumbnails'

#: Kind of finding (an attribute of :class:`.Audit`) -> heading of its section.
TITLES = dict(
    leaks='Leaks (one image in several splits)',
    contradictions='Contradictions (one image with several labels)',
    duplicates='Duplicates (one image several times in a split)',
    alike='Alike (pairs to check)',
    broken='Unreadable files',
    misplaced='Misplaced annotations (boxes or points that cannot belong to their image)',
    odd='Odd files',
)

#: Maximum number of images shown per group; the others are only counted.
SHOWN = 8

#: Maximum number of classes that are listed; of more, only the number is reported.
MOST_CLASSES = 60

_NAMED = 5  # groups or files per kind in the summary
_WIDTH = 160  # longer side of a thumbnail, pixels


def verdict(result: Audit) -> str:
    """Return the result of an audit in one line."""
    parts = []
    if result.leaks:
        parts.append(f'{_count(len(result.leaks), "image")} in splits that should be disjoint')
    if result.broken:
        parts.append(_count(len(result.broken), 'unreadable file'))
    if result.misplaced:
        parts.append(f'{_count(len(result.misplaced), "image")} with misplaced annotations')
    if parts:
        return 'NOT CLEAN: ' + ' and '.join(parts)
    return 'clean: no leak, no unreadable file, no misplaced annotation'


def write_report(
    result: Audit, splits: Sequence[Split], folder: str | Path, max_shown: int = 100
) -> None:
    """Write ``report.html``, ``report.json`` and the thumbnails that the page shows.

    Args:
        result (Audit): The findings.
        splits (Sequence[Split]): The audited splits.
        folder (str | Path): Output folder; created if missing. An earlier report in it is replaced.
        max_shown (int): Maximum number of groups, pairs or files that a section of the page shows.
            The JSON file has all. Defaults to 100.

    Raises:
        OSError: A file could not be written.
    """
    folder = Path(folder)
    # Thumbnails of an earlier report may show other images.
    for old in (folder / THUMBNAILS).glob('[0-9]' * 7 + '.jpg'):
        old.unlink()
    images = [source for split in splits for source in split.images]

    @cache
    def thumbnail(entry: Entry) -> str:
        """Return the path of a thumbnail, relative to the folder; write it on first use."""
        path = f'{THUMBNAILS}/{entry.number:07d}.jpg'
        _write_thumbnail(images[entry.number], folder / path)
        return path

    page = _page().render(
        audit=result,
        outcome=_outcome(result),
        titles=TITLES,
        limit=max_shown,
        most_classes=MOST_CLASSES,
        thumbnail=thumbnail,
    )
    atomic_write_text(folder / HTML, page)
    content = dict(verdict=verdict(result), clean=result.clean, **asdict(result))
    atomic_write_text(folder / JSON, json.dumps(content, indent=1) + '\n')


def to_text(result: Audit) -> str:
    """Return a text summary with at most 5 groups or files of each kind."""
    lines = [_outcome(result), '']
    for split in result.splits:
        classes = [f'{name} {number:,}' for name, number in split['classes'].items()]
        lines.append(f'{split["name"]}: {_count(split["images"], "image")}')
        if split['skipped']:
            lines[-1] += f', and {_count(len(split["skipped"]), "file")} that are not images'
        if split['sizes']:
            widths, heights = split['sizes']['width'], split['sizes']['height']
            smallest, largest = (f'{widths[i]}x{heights[i]}' for i in (0, 2))
            lines[-1] += f', {smallest} to {largest} pixels'
        if len(classes) > MOST_CLASSES:
            lines.append(f'  {len(classes)} labels')
        elif classes:
            lines.append('  ' + ', '.join(classes))
        if split['imbalance']:
            lines.append(f'  largest / smallest class: {split["imbalance"]:.1f}')
    for key, title in TITLES.items():
        found = getattr(result, key)
        lines += ['', f'{title}: {len(found):,}'] if found else []
        for each in found[:_NAMED]:
            if isinstance(each, dict):
                lines.append(f'  {each["split"]} · {each["name"]}: {_reason(each)}')
                continue
            lines.append(f'  {_describe(each)}')
            for entry in _shown(each):
                words = filter(None, [entry.split, entry.label, entry.name])
                lines.append('      ' + ' · '.join(words))
    for entry in result.people:
        of = ' and '.join(map(str, entry['of']))
        lines += [
            '',
            f'People in {" and ".join(entry["splits"])}: {len(entry["people"])} (of {of})',
        ]
    return '\n'.join(lines)


def _page() -> Template:
    environment = Environment(
        loader=PackageLoader('mmfer.audit'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        describe=_describe,
        reason=_reason,
        short=_short_name,
        shown=_shown,
        thousands='{:,}'.format,
    )
    return environment.get_template(HTML)


def _write_thumbnail(source: AuditImage, path: Path) -> None:
    image = read_image(source)
    scale = _WIDTH / max(image.shape[:2])
    size = tuple(max(round(length * scale), 1) for length in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    _, encoded = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 90])
    atomic_write(path, encoded.tobytes())


def _outcome(result: Audit) -> str:
    """Return the verdict, with a note if splits of several roles have the same images."""
    text = verdict(result) + '.'
    merged = [split['name'] for split in result.splits if len(split['roles']) > 1]
    if merged:
        text += (
            f' Note: {" and ".join(merged)} have the same images, so a best epoch would be '
            'selected on the test set.'
        )
    return text


def _count(number: int, what: str) -> str:
    return f'{number:,} {plural(number, what)}'


def _describe(group: Group | Pair) -> str:
    """Describe why images are the same or similar, and whether their labels differ."""
    if isinstance(group, Pair):
        return f'similarity {group.similarity:.3f}' + (', across splits' if group.across else '')
    kinds = [KINDS[kind] for kind in KINDS if any(link.kind == kind for link in group.links)]
    measured = [link.similarity for link in group.links if link.kind in ('near', 'mirrored')]
    words = [', '.join(kinds)]
    if measured:
        words.append(f'similarity {min(measured):.3f}')
    if len(group.images) > SHOWN:
        words.append(f'{len(group.images)} images, {SHOWN} shown')
    if len(group.labels) > 1:
        words.append('labels differ: ' + ', '.join(group.labels))
    return '; '.join(words)


def _reason(file: dict) -> str:
    """Return why a file is listed as broken, misplaced or odd."""
    return file['reason'] if 'reason' in file else '; '.join(file['notes'])


def _shown(group: Group | Pair) -> list[Entry]:
    """Select the members to show: one of each split, then others; sorted by number."""
    firsts = {entry.split: entry for entry in reversed(group.images)}.values()
    rest = [entry for entry in group.images if entry not in firsts]
    return sorted([*firsts, *rest][:SHOWN], key=lambda entry: entry.number)


def _short_name(entry: Entry) -> str:
    """Return the last two parts of a path."""
    return '/'.join(Path(entry.name).parts[-2:])
