# TransFER on RAF-DB, the baseline of APViT: 90.91 % (Table 7).
_base_ = [
    '../_base_/models/transfer_ir50-vit-small.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_step_40e.py',
    '../_base_/default_runtime.py',
]

# The weights that APViT starts from: docs/weights.md says where they come from, under which
# licence, and how they are converted. The local branches start at random.
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
