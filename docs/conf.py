# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""The documentation as a site: ``make docs``.

Sphinx reads the repository's own folder (``sphinx-build -c docs . OUT``): a link between two files
is the same on the site, on a code host and on disk, and Sphinx checks all of them.
"""

from pathlib import Path
from pkgutil import resolve_name

from mmfer.version import __version__

_ROOT = Path(__file__).resolve().parents[1]
_PAGES = {'docs', 'configs', 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'}

project = 'mmfer'
author = copyright = 'The mmfer contributors'
release = __version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
]
root_doc = 'docs/index'
# Whatever else lies in the folder (environments, data, runs) is not even walked through.
exclude_patterns = [path.name for path in _ROOT.iterdir() if path.name not in _PAGES]
exclude_patterns += ['docs/_build', 'docs/_templates', 'configs/_base_']
templates_path = [str(_ROOT / 'docs' / '_templates')]  # autosummary looks below `.`

# Anchors as code hosts make them, for headings up to this level.
myst_heading_anchors = 4

# A package's page has what its ``__all__`` names.
autosummary_ignore_module_all = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'show-inheritance': True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# References to other packages, and short names, lead nowhere: the site is built without a network.
nitpick_ignore_regex = [(r'py:.*', r'(?!mmfer\.).*')]


def plain_if_it_exists(app, env, node, contnode):
    """Show a name of mmfer without a page as plain text; of one that is not there Sphinx warns."""
    try:
        resolve_name(node['reftarget'])
    except (ImportError, AttributeError, ValueError):
        return None
    return contnode if node['reftarget'].startswith('mmfer.') else None


def setup(app):
    app.connect('missing-reference', plain_if_it_exists)


# An argument a line, where they do not fit into one.
python_maximum_signature_line_length = 88

html_theme = 'furo'
html_title = f'mmfer {release}'
# The address of the site itself leads to the index.
html_additional_pages = {'index': 'to_index.html'}
html_show_sphinx = False
copybutton_exclude = '.linenos, .gp, .go'

linkcheck_timeout = 20
linkcheck_retries = 2
