# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
from mmfer.responsible_use import RESPONSIBLE_USE


def test_the_readme_says_the_same(repo_root):
    readme = (repo_root / 'README.md').read_text(encoding='utf-8')
    section = readme.partition('## Responsible use\n')[2].partition('\n## ')[0]
    paragraphs = [' '.join(paragraph.split()) for paragraph in section.strip().split('\n\n')]
    assert paragraphs == list(RESPONSIBLE_USE)
