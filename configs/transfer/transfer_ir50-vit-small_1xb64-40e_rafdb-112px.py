# TransFER on RAF-DB, the baseline of APViT: 90.91 % (Table 7).
_base_ = [
    '../_base_/models/transfer_ir50-vit-small.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_step_40e.py',
    '../_base_/default_runtime.py',
]

# The starting weights of APViT: docs/weights.md has their sources, licences and converters. The
# local branches are randomly initialized.
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='checkpoints/vit-small_imagenet.pth',
            allow_missing=('cnn.', 'projection.', 'local.'),
        ),
        cnn=dict(
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth', allow_missing=()
            )
        ),
    )
)

train_dataloader = dict(batch_size=64)
