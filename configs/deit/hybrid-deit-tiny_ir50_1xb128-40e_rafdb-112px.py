# Hybrid-DeiT-Tiny on RAF-DB, IR-50 from MS-Celeb-1M and DeiT-Tiny from ImageNet: 90.91 % with 6.72
# GFLOPs (Table 14).
_base_ = [
    '../_base_/models/hybrid-deit-tiny_ir50.py',
    '../_base_/datasets/rafdb_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

# Neither file is shipped: docs/weights.md has their sources and converters.
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='checkpoints/deit-tiny_imagenet.pth',
            # Patches come from the CNN. Its projection from 256 to 192 channels is new and randomly
            # initialized; any other missing or unexpected weight is an error.
            exclude='patch_embed.',
            allow_missing=('cnn.', 'projection.'),
        ),
        cnn=dict(
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth', allow_missing=()
            )
        ),
    )
)
