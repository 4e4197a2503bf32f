# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Write what was found to a folder: HTML and Markdown with thumbnails, and JSON."""

import html
import json
from dataclasses import asdict
from pathlib import Path

import cv2

from mmfer.utils.atomic_file import atomic_write, atomic_write_text

from .audit import Audit
from .duplicates import ALIKE, SAME
from .fingerprint import read_picture
from .sections import Section, Strip, caption_of, sections_of, short_name, verdict

HTML, MARKDOWN, JSON, THUMBNAILS = 'report.html', 'report.md', 'report.json', 'thumbnails'

_PRIVACY = (
    'This folder contains pictures of faces and names of files. Whoever may not have the dataset '
    'may not have this report either.'
)
_WIDTH = 160  # of a thumbnail, pixels

_STYLE = """
:root { color-scheme: light dark; --ink: #262626; --faint: #6b6b6b; --line: #d5d5d5; --bad: #d55e00;
  --good: #007a5a; --paper: #fff; --tint: #f5f5f3; }
@media (prefers-color-scheme: dark) { :root { --ink: #eaeaea; --faint: #a5a5a5; --line: #444;
  --bad: #f08a3c; --good: #3fc79a; --paper: #1b1b1b; --tint: #262626; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
.verdict { font-size: 1.1rem; font-weight: 600; padding: .6rem 1rem; border-left: 6px solid; }
.bad { color: var(--bad); } .good { color: var(--good); }
.note { color: var(--faint); font-size: .9rem; }
table { border-collapse: collapse; margin: .6rem 0; } .wide { overflow-x: auto; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: left;
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; } td.number, th.number { text-align: right; }
.strips { display: flex; flex-wrap: wrap; gap: .8rem; margin: .7rem 0; }
.strip { background: var(--tint); border-radius: 6px; padding: .6rem .8rem; }
.strip > p { margin: 0 0 .4rem; font-size: .9rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { margin: 0; width: 160px; }
figure img { width: 160px; height: 160px; object-fit: contain; background: #8883; display: block; }
figcaption { font-size: .78rem; line-height: 1.35; overflow-wrap: anywhere; }
figcaption b { display: block; }
nav { font-size: .9rem; } nav a { margin-right: 1rem; color: inherit; white-space: nowrap; }
"""


def write_report(result: Audit, folder: str | Path, max_shown: int = 100) -> None:
    """Write ``report.html``, ``report.md``, ``report.json`` and the thumbnails that they show.

    Args:
        result: What was found.
        folder: Where to; made where it is not there. An earlier report there is replaced.
        max_shown: Groups, pairs and files that a section of HTML and Markdown shows. JSON has all.

    Raises:
        OSError: A file could not be written.
    """
    folder = Path(folder)
    sections = sections_of(result, max_shown)
    shown = {n for section in sections for strip in section.strips for n in strip.pictures}
    # Those of an earlier report in this folder are about other pictures.
    for old in (folder / THUMBNAILS).glob('[0-9]' * 7 + '.jpg'):
        old.unlink()
    for number in sorted(shown):
        _write_thumbnail(result, number, folder / _thumbnail(number))
    atomic_write_text(folder / HTML, _to_html(result, sections))
    atomic_write_text(folder / MARKDOWN, _to_markdown(result, sections))
    atomic_write_text(folder / JSON, json.dumps(to_json(result), indent=1) + '\n')


def to_json(result: Audit) -> dict:
    """Everything as plain values."""

    def named(number: int) -> dict:
        picture = result.pictures[number]
        split = result.splits[result.split_of[number]].name
        return dict(split=split, name=picture.name, label=picture.label, person=picture.person)

    def link(link) -> dict:
        return {**asdict(link), 'first': named(link.first), 'second': named(link.second)}

    return dict(
        verdict=verdict(result),
        clean=not (result.leaks or result.broken),
        thresholds=dict(same=SAME, alike=ALIKE),
        splits=[
            dict(
                name=split.name,
                roles=sorted(split.roles),
                pictures=len(split.pictures),
                sizes=result.sizes[split.name],
                classes=result.counts[split.name],
                imbalance=result.imbalances[split.name],
            )
            for split in result.splits
        ],
        overlap=result.overlap(),
        groups=[
            dict(
                leak=group.leak,
                labels=group.labels,
                pictures=[named(number) for number in group.members],
                links=[link(each) for each in group.links],
            )
            for group in result.groups
        ],
        alike=[link(each) for each in result.alike],
        broken=[dict(named(number), reason=reason) for number, reason in result.broken.items()],
        odd=[dict(named(number), notes=notes) for number, notes in result.odd.items()],
        people=result.people,
    )


def _thumbnail(number: int) -> str:
    return f'{THUMBNAILS}/{number:07d}.jpg'


def _write_thumbnail(result: Audit, number: int, path: Path) -> None:
    image = read_picture(result.pictures[number])
    scale = _WIDTH / max(image.shape[:2])
    size = tuple(max(round(length * scale), 1) for length in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    _, encoded = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 90])
    atomic_write(path, encoded.tobytes())


def _to_html(result: Audit, sections: list[Section]) -> str:
    head, *rest = sections
    colour = 'bad' if result.leaks or result.broken else 'good'
    links = ' '.join(
        f'<a href="#s{place}">{html.escape(section.title)}</a>'
        for place, section in enumerate(rest)
    )
    body = ''.join(_section_to_html(result, f's{i}', section) for i, section in enumerate(rest))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Dataset audit</title><style>{_STYLE}</style></head><body>\n'
        f'<h1>Dataset audit</h1>\n<p class="verdict {colour}">{html.escape(head.text)}</p>\n'
        f'<p class="note">{html.escape(_PRIVACY)}</p>\n<nav>{links}</nav>\n{body}</body></html>\n'
    )


def _section_to_html(result: Audit, anchor: str, section: Section) -> str:
    parts = [f'<h2 id="{anchor}">{html.escape(section.title)}</h2>\n']
    if section.text:
        parts.append(f'<p class="note">{html.escape(section.text)}</p>\n')
    if section.header:
        numeric = [
            all(row[place][:1].isdigit() or row[place] == '-' for row in section.rows)
            for place in range(len(section.header))
        ]

        def row_of(tag: str, cells: tuple[str, ...]) -> str:
            return ''.join(
                f'<{tag}{" class=number" if number else ""}>{html.escape(cell)}</{tag}>'
                for cell, number in zip(cells, numeric, strict=True)
            )

        rows = ''.join(f'<tr>{row_of("td", row)}</tr>\n' for row in section.rows)
        head = f'<tr>{row_of("th", section.header)}</tr>\n'
        parts.append(f'<div class="wide"><table>{head}{rows}</table></div>\n')
    if section.strips:
        strips = ''.join(_strip(result, strip) for strip in section.strips)
        parts.append(f'<div class="strips">\n{strips}</div>\n')
    return ''.join(parts)


def _strip(result: Audit, strip: Strip) -> str:
    figures = ''.join(_figure(result, number) for number in strip.pictures)
    return (
        f'<div class="strip"><p>{html.escape(strip.caption)}</p>'
        f'<div class="pictures">{figures}</div></div>\n'
    )


def _figure(result: Audit, number: int) -> str:
    picture = result.pictures[number]
    split = result.splits[result.split_of[number]].name
    name = html.escape(picture.name)
    label = f'{html.escape(picture.label)}<br>' if picture.label else ''
    # Long names may be broken where their parts end.
    short = html.escape(short_name(picture.name)).replace('/', '/<wbr>').replace('_', '_<wbr>')
    return (
        f'<figure><img src="{_thumbnail(number)}" alt="" loading="lazy" title="{name}">'
        f'<figcaption><b>{html.escape(split)}</b>{label}{short}</figcaption>'
        '</figure>'
    )


def _to_markdown(result: Audit, sections: list[Section]) -> str:
    parts = ['# Dataset audit\n', f'> {_PRIVACY}\n']
    for section in sections:
        parts.append(f'## {section.title}\n')
        if section.text:
            parts.append(f'{section.text}\n')
        if section.header:
            lines = [section.header, ('---',) * len(section.header), *section.rows]
            parts.append(''.join(f'| {" | ".join(map(_cell, line))} |\n' for line in lines))
        for strip in section.strips:
            pictures = ' '.join(f'![]({_thumbnail(number)})' for number in strip.pictures)
            names = ''.join(f'\n* {caption_of(result, number)}' for number in strip.pictures)
            parts.append(f'**{strip.caption}**\n\n{pictures}\n{names}\n')
    return '\n'.join(parts)


def _cell(text: str) -> str:
    return text.replace('|', '\\|').replace('\n', ' ')
