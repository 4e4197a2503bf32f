# TransFER on FERPlus, eight classes, the baseline of APViT: 90.83 % (Table 9).
_base_ = [
    '../_base_/models/transfer_ir50-vit-small.py',
    '../_base_/datasets/ferplus_112.py',
    '../_base_/schedules/sgd_step_40e.py',
    '../_base_/default_runtime.py',
]

# Same as on RAF-DB, see transfer_ir50-vit-small_1xb64-40e_rafdb-112px.py.
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
    ),
    head=dict(num_classes=8),
)

train_dataloader = dict(batch_size=64)
