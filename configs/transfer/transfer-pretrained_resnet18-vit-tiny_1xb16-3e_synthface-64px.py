# The small TransFER with the starting weights of the small APViT, for comparison:
# apvit-pretrained_resnet18-vit-tiny_1xb16-3e_synthface-64px.py. Its local branches are new.
_base_ = [
    '../_base_/models/transfer_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/adamw_3e.py',
    '../_base_/default_runtime.py',
]

start = 'work_dirs/apvit-baseline_resnet18-vit-tiny_1xb16-8e_synthface-easy-64px/epoch_8.pth'
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.', exclude='cnn.'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.cnn.')),
    )
)
