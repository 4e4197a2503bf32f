# A small DeiT on plain patches of drawn faces from scratch, for the small version of Table 14; the
# paper's starts from ImageNet weights.
_base_ = [
    '../_base_/models/deit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/adamw_12e.py',
    '../_base_/default_runtime.py',
]

# 64 / 8 = a grid of 8x8 patches.
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=64, num_layers=4, num_heads=2, feedforward_channels=256
        ),
        img_size=64,
        patch_size=8,
        # As in apvit_resnet18-vit-tiny.py.
        layer_cfg=dict(
            init_cfg=dict(
                type='Xavier', override=dict(type='Xavier', name='ffn', distribution='uniform')
            )
        ),
    ),
    head=dict(
        in_channels=64, init_cfg=dict(_delete_=True, type='Normal', layer='Linear', std=0.01)
    ),
)
