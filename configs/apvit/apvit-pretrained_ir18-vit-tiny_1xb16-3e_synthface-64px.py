# The small APViT on drawn faces from weights of a net that knew other people: a run takes three
# epochs instead of twelve, and its figures spread less. tools/reproduce.py trains the weights, and
# variants of this one for every table.
_base_ = 'apvit_ir18-vit-tiny_1xb16-12e_synthface-64px.py'

start = 'checkpoints/apvit-baseline_synthface-easy.pth'
model = dict(
    backbone=dict(
        # The transformer, and the CNN, each from its part of the file.
        init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.', exclude='cnn.'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.cnn.')),
    )
)

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=3, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=3)
