# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
"""Export the models of many configs and compare each with PyTorch; only a report is written.

    python tools/deployment/export_configs.py configs --json exports.json
    python tools/deployment/export_configs.py configs/apvit configs/deit --list

Weights and images are random: no checkpoints and no data are needed. Configs that differ only in
training (priors, losses, initialization, data with the same classes) have the same graph; only the
first of them is exported. The report is written after every graph.

Exit status: 0 if all agree with PyTorch; 1 if one cannot be exported or differs; 2 if the arguments
are wrong.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmfer.cli.exit_status import exit_status
from mmfer.utils.config_arguments import positive, tool_parser

#: Keys that only training uses: the exported graph does not depend on them.
_TRAINING = frozenset(
    (
        'cal_acc',
        'drop_mask',
        'drop_path_rate',
        'drop_rate',
        'drop_threshold',
        'dropout_rate',
        'frozen',
        'init_cfg',
        'init_scale',
        'loss',
        'mad_rate',
        'msad_rate',
        'num_priors',
        'priors',
        'save_priors',
        'topk',
        'train_cfg',
        'with_cp',
    )
)


def find_configs(paths: list[str]) -> list[Path]:
    """Find the configs in files and folders, in order, without those in ``_base_``.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    from mmfer.utils.files_below import files_below

    found = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f'there is no config or folder {path}')
        files = [path] if path.is_file() else [f for f in files_below(path) if f.suffix == '.py']
        found += [file for file in files if '_base_' not in file.parts]
    return found


def group(configs: list[Path]) -> dict[str, list[Path]]:
    """Group configs by their exported graph."""
    from mmfer.utils.config_options import read_config
    from mmfer.utils.image_size import image_size

    groups = {}
    for path in configs:
        cfg = read_config(path)
        groups.setdefault(graph_key(cfg, image_size(cfg)[0]), []).append(path)
    return groups


def graph_key(cfg, size: tuple[int, int]) -> str:
    """Return a text that is equal for configs with the same exported graph.

    Args:
        cfg (Config): The config.
        size (tuple[int, int]): Height and width of its images.
    """
    return json.dumps([_inference(cfg.model.to_dict()), size], sort_keys=True, default=repr)


def _inference(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _inference(item) for key, item in value.items() if key not in _TRAINING}
    if isinstance(value, (list, tuple)):
        return [_inference(item) for item in value]
    return value


def check(path: Path, args: argparse.Namespace) -> dict:
    """Export one model and compare it with PyTorch."""
    import time
    from dataclasses import asdict

    from mmfer.deployment.compare import compare_all
    from mmfer.deployment.exported import OnnxModel
    from mmfer.deployment.load import load_for_export, random_images
    from mmfer.deployment.model import ExportError
    from mmfer.deployment.onnx import export_onnx

    loaded = load_for_export(str(path))
    begin = time.perf_counter()
    try:
        content = export_onnx(loaded.model, loaded.size, loaded.facts())
        seconds = time.perf_counter() - begin
        onnx_model = OnnxModel(content, args.threads)
    except ExportError as error:
        return dict(config=path.stem, ok=False, error=str(error))
    groups = [('random pixels', random_images(max(args.batch_sizes), loaded.size))]
    rows = compare_all(loaded.model, onnx_model, groups, args.batch_sizes)
    return dict(
        config=path.stem,
        ok=all(row.passes(args.tolerance) for row in rows),
        outputs=list(onnx_model.output_names),
        size=list(loaded.size),
        mib=len(content) / 2**20,
        export_seconds=seconds,
        comparisons=[asdict(row) for row in rows],
    )


def line(row: dict, shared: int) -> str:
    """Format a row of the table."""
    if 'error' in row:
        return f'{row["config"]}: {row["error"]}'
    worst = max(comparison['deviation'] for comparison in row['comparisons'])
    open_choices = sum(comparison['open_choices'] for comparison in row['comparisons'])
    same = [c['same_label'] for c in row['comparisons'] if c['same_label'] is not None]
    number = sum(comparison['count'] for comparison in row['comparisons'])
    label = f'{sum(same)}/{number}' if same else '-'
    return (
        f'{row["mib"]:>7.1f}{shared:>8}{worst:>11.1e}{label:>8}{open_choices:>6}  '
        f'{row["config"]}{"" if row["ok"] else "  DIFFERS"}'
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = tool_parser(__doc__)
    parser.add_argument('paths', nargs='+', metavar='PATH', help='configs, or folders of configs')
    parser.add_argument('--list', action='store_true', help='list what would be exported, and exit')
    parser.add_argument(
        '--batch-sizes',
        type=positive,
        nargs='+',
        default=[1, 2],
        metavar='N',
        help='compare in batches of these sizes (default: 1 2)',
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        metavar='X',
        help='largest difference of outputs (default: %(default)s)',
    )
    parser.add_argument(
        '--threads', type=positive, default=1, help='CPU threads of both runtimes (default: 1)'
    )
    parser.add_argument('--json', metavar='FILE', help='write the report to FILE')
    return exit_status(export, parser.parse_args(argv))


def export(args: argparse.Namespace) -> int:
    """Export and compare all graphs; return the exit status."""
    configs = find_configs(args.paths)
    # Imported late, so that --help is quick.
    import gc
    import logging

    import torch
    from mmengine.logging import MMLogger

    from mmfer.deployment.onnx import require_onnx
    from mmfer.utils.atomic_file import atomic_write_json

    groups = list(group(configs).values())
    if args.list:
        print('\n'.join(f'{len(paths):>4}  {paths[0].stem}' for paths in groups))
        print(f'{len(configs)} configs, {len(groups)} graphs')
        return 0
    require_onnx()
    MMLogger.get_instance('export', log_level=logging.ERROR)  # not one warning per model
    torch.set_num_threads(args.threads)
    print(f'{"MiB":>7}{"configs":>8}{"differs by":>11}{"label":>8}{"open":>6}')
    rows = []
    for paths in groups:
        row = check(paths[0], args)
        rows.append(dict(row, configs=[path.stem for path in paths]))
        print(line(row, len(paths)), flush=True)
        if args.json:
            content = dict(tolerance=args.tolerance, graphs=rows)
            atomic_write_json(args.json, content)
        gc.collect()  # models of several hundred MiB are in reference cycles
    good = sum(row['ok'] for row in rows)
    print(f'{good} of {len(rows)} graphs ({len(configs)} configs) agree with PyTorch')
    return 0 if good == len(rows) else 1


if __name__ == '__main__':
    sys.exit(main())
