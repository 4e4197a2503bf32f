# The small TransFER from the weights that the small APViT starts from, to compare the two:
# apvit-pretrained_ir18-vit-tiny_1xb16-3e_synthface-64px.py. Its local branches start at random.
_base_ = 'transfer_ir18-vit-tiny_1xb16-12e_synthface-64px.py'

start = 'checkpoints/apvit-baseline_synthface-easy.pth'
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.', exclude='cnn.'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.cnn.')),
    )
)

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=3, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=3)
