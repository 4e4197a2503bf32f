# A small Hybrid-DeiT on drawn faces, for the small version of Table 14: the small APViT's CNN with
# its weights, and a narrower transformer from scratch.
_base_ = '../apvit/apvit-baseline_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'

model = dict(
    backbone=dict(
        cnn=dict(
            # As in apvit-pretrained_resnet18-vit-tiny_1xb16-3e_synthface-64px.py.
            init_cfg=dict(
                type='Pretrained',
                checkpoint='work_dirs/apvit-baseline_resnet18-vit-tiny_1xb16-8e_synthface-easy-64px/epoch_8.pth',
                prefix='backbone.cnn.',
            )
        ),
        arch=dict(embed_dims=64, num_layers=2, num_heads=2, feedforward_channels=256),
        qkv_bias=True,
    ),
    head=dict(in_channels=64),
)
