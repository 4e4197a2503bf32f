# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""What READMEs, metafiles and the model index say of the configs."""

import fnmatch
import re
from unittest import mock

import pytest
import torch
import yaml
from shipped_configs import BY_NAME, CONFIGS, PAPERS, ROOT, graph_of, read_config, variants

from mmfer.analysis.model_cost import published_cost
from mmfer.apis.published_facts import published_facts
from mmfer.registry import MODELS
from mmfer.reproduction.published import Published

FOLDERS = ('apvit', 'deit', 'transfer', 'kt_adapter')
MODELS_OF = {
    folder: yaml.safe_load((ROOT / 'configs' / folder / 'metafile.yml').read_text())['Models']
    for folder in FOLDERS
}
ENTRIES = [entry for entries in MODELS_OF.values() for entry in entries]
#: How a metafile calls the metrics of published.yml.
METRICS = {
    'expression': ('Top 1 Accuracy', 'Macro F1'),
    'age': ('CS@5', 'MAE (years)'),
    'landmarks': ('NME', 'MAE (pixels)'),
    'recognition': ('Top 1 Accuracy', 'Macro F1', 'Intra-class Variance', 'TAR@FAR=0.1%'),
}
LETTERS = {'mobileone-s0': 'M', 'convnext-v2-base': 'C', 'swin-base': 'S'}
TASKS = {'affectnet-hq': 'expression', 'utkface': 'age', 'wflw': 'landmarks', 'cfp': 'recognition'}

every_folder = pytest.mark.parametrize('folder', FOLDERS)


def patterns(text: str):
    """File names without braces: ``a{b,c}`` is ``ab`` and ``ac``."""
    before, brace, rest = text.partition('{')
    if not brace:
        return [text]
    inside, _, after = rest.partition('}')
    return [before + word + end for word in inside.split(',') for end in patterns(after)]


def rows_of(folder: str):
    """Cells of the table rows of a README whose first one names configs."""
    for line in (ROOT / 'configs' / folder / 'README.md').read_text().splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        names = re.fullmatch(r'`(\S+\.py)`', cells[0])
        if names:
            yield patterns(names[1]), cells


def without_head(cfg) -> str:
    model = graph_of(cfg.model.to_dict())
    model.pop('head'), model.pop('priors', None)
    model.get('neck') and model['neck'].pop('canonical', None)
    return repr(model)


def zeros(tensor, *_, **__):
    return tensor.zero_()


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope='module')
def cost_of():
    """FLOPs and parameters of a config; counted once for models that differ in their heads."""
    counted = {}

    def _cost_of(name):
        cfg = read_config(name)
        key = without_head(cfg) + name.rsplit('-', 1)[1]
        head = parameters(MODELS.build(dict(cfg.model.head)))
        if key not in counted:
            # Drawing the weights would take as long as the count, which does not depend on them.
            with mock.patch.multiple(torch.Tensor, normal_=zeros, uniform_=zeros):
                cost = published_cost(cfg)
            counted[key] = cost.gflops * 1e9, round(cost.params_m * 1e6) - head
        flops, rest = counted[key]
        return flops, rest + head

    return _cost_of


@every_folder
def test_a_readme_lists_every_config_once(folder):
    files = [p for p in CONFIGS if folder in p.parts]
    listed = [pattern for names, _ in rows_of(folder) for pattern in names]
    for path in files:
        name = path.relative_to(ROOT / 'configs' / folder).as_posix()
        # A star is a part of a name, as in a shell, and another dataset is another row.
        found = [pattern for pattern in listed if fnmatch.fnmatchcase(name, pattern)]
        assert len(found) == 1, (name, found)
    for pattern in listed:
        assert list((ROOT / 'configs' / folder).glob(pattern)), pattern


@every_folder
def test_a_readme_says_what_cites_and_how(folder):
    text = (ROOT / 'configs' / folder / 'README.md').read_text()
    headings = ['Introduction', 'Commands', 'Configs', 'Citation']
    assert [h for h in re.findall(r'^## (.*)$', text, re.MULTILINE) if h in headings] == headings
    assert text.startswith('# ') and '@' in text.partition('```bibtex')[2]
    for command in re.findall(r'[\w/-]+\.py\b', text.partition('```bash')[2].partition('```')[0]):
        assert command.rpartition('/')[2].removesuffix('.py') in BY_NAME or (
            (ROOT / command).is_file() or '>' in text.partition(command)[0][-3:]
        ), command


@every_folder
def test_costs_are_those_that_are_counted(folder, cost_of):
    entries = {entry['Name']: entry['Metadata'] for entry in MODELS_OF[folder]}
    for names, cells in rows_of(folder):
        found = [p.stem for name in names for p in (ROOT / 'configs' / folder).glob(name)]
        counted = {name: cost_of(name) for name in found}
        for name, (flops, params) in counted.items():
            if name in entries:
                # Heads of other tasks are not counted again: they are 2e-4 of the smallest model.
                assert entries[name]['FLOPs'] == pytest.approx(flops, rel=5e-4, abs=6e5), name
                assert entries[name]['Parameters'] == params, name
        flops, params = zip(*counted.values(), strict=True)
        digits = len(cells[2].partition('.')[2])
        assert float(cells[2]) == pytest.approx(flops[0] / 1e9, abs=0.6 * 10**-digits), names
        low, _, high = cells[3].partition(' to ')
        digits = len(low.partition('.')[2])
        assert float(low) == pytest.approx(min(params) / 1e6, abs=0.6 * 10**-digits), names
        assert float(high or low) == pytest.approx(max(params) / 1e6, abs=0.6 * 10**-digits), names


def test_names_and_files():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index['Import'] == [f'configs/{folder}/metafile.yml' for folder in FOLDERS]
    for entry in ENTRIES:
        assert (ROOT / entry['Config']) == BY_NAME[entry['Name']]
        assert entry['Results'] and all(result['Metrics'] for result in entry['Results'])


def test_openmim_reads_the_index():
    """By the package that it uses for ``mim download`` and ``mim search``."""
    load = pytest.importorskip('modelindex.load_model_index').load
    models = {model.name: model for model in load(str(ROOT / 'model-index.yml')).models}
    assert list(models) == [entry['Name'] for entry in ENTRIES]
    for entry in ENTRIES:
        model = models[entry['Name']]
        assert model.config == entry['Config'] and (ROOT / model.config).is_file()
        assert model.full_model.metadata.data['Parameters'] == entry['Metadata']['Parameters']


def published(paper: str):
    return Published.from_file(ROOT / 'configs' / paper / 'published.yml').tables


@pytest.mark.parametrize('entry', MODELS_OF['kt_adapter'], ids=lambda entry: entry['Name'])
def test_results_of_the_kt_adapter_are_the_published_ones(entry):
    model, _, rest = entry['Name'].removeprefix('kt-adapter_').partition('_1xb')
    database = rest.split('_', 1)[1]
    task = TASKS[database.removesuffix('-224px')]
    experiments = variants('kt_adapter').index.experiments.items()
    table = next(name for name, it in experiments if it.databases == (database,))
    row = ' to '.join(LETTERS[encoder] for encoder in model.split('-to-'))
    (result,) = entry['Results']
    names = [f'{name} (published)' for name in METRICS[task]]
    values = published('kt_adapter')[table][row].values()
    assert result['Metrics'] == dict(zip(names, values, strict=True))


def what_is_trained(cfg) -> str:
    return repr([cfg.model.to_dict(), cfg.train_dataloader.dataset.to_dict()])


def test_results_of_apvit_are_the_published_ones():
    """Each is in some table, under the variant and the database that the config is."""
    known, values = variants('apvit'), {}
    cells = {
        (database, variant)
        for rows in published('apvit').values()
        for variant, row in rows.items()
        for database in row.keys() & known.index.databases.keys()
        if known.exists(database, variant)
    }
    for database, variant in cells:
        values.setdefault(what_is_trained(known.config(database, variant)), set()).update(
            rows[variant][database]
            for rows in published('apvit').values()
            if database in rows.get(variant, {})
        )
    for entry in (entry for folder in FOLDERS[:3] for entry in MODELS_OF[folder]):
        if 'Weights' in entry:  # ours
            continue
        (result,) = entry['Results']
        reached = result['Metrics']['Top 1 Accuracy (published)']
        assert reached in values[what_is_trained(read_config(entry['Name']))], entry['Name']


def test_results_of_included_weights_are_those_that_they_name():
    for entry in (entry for entry in ENTRIES if 'Weights' in entry):
        measured = published_facts(ROOT / entry['Weights'])['facts']['results'][0]['metrics']
        (result,) = entry['Results']
        assert result['Metrics']['Top 1 Accuracy'] == measured['accuracy/top1'], entry['Name']


@pytest.mark.parametrize('paper', PAPERS)
def test_a_readme_names_the_variants_of_the_tables(paper):
    """All rows that are neither a file nor a cell of a figure over a grid."""
    known = variants(paper)
    text = (ROOT / 'configs' / paper / 'README.md').read_text()
    named = set(re.findall(r'`([\w, -]+)`', text))
    files = {repr(read_config(path).model) for path in CONFIGS if paper in path.parts}
    for experiment in known.index.experiments.values():
        for row in () if experiment.grid else experiment.trained_rows:
            databases = [name for name in experiment.databases if known.exists(name, row)]
            models = {repr(known.config(name, row).model) for name in databases}
            names = {row, *(known.name(name, row) for name in databases)}
            recipes = known.index.variants[row].values()
            is_file = not any(recipe.parts or recipe.options for recipe in recipes)
            assert names & named or models & files or is_file, row
