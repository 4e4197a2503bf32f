# The small APViT on drawn faces from weights of a net that knew other people: a run takes three
# epochs instead of twelve, and its figures spread less. tools/reproduce.py trains the weights, and
# variants of this one for every table.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/adamw_3e.py',
    '../_base_/default_runtime.py',
]

start = 'work_dirs/apvit-baseline_resnet18-vit-tiny_1xb16-8e_synthface-easy-64px/epoch_8.pth'
model = dict(
    backbone=dict(
        # As in the published model: tables compare what the head reads.
        out_type='cls_token',
        # The transformer, and the CNN, each from its part of the file.
        init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.', exclude='cnn.'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.cnn.')),
    )
)
