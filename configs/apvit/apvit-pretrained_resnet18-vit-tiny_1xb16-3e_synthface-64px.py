# The small APViT on drawn faces, starting from a net trained on other people: a run takes three
# epochs instead of twelve, and its results vary less. tools/reproduce.py trains the starting
# weights, and variants of this config for every table.
_base_ = [
    '../_base_/models/apvit_resnet18-vit-tiny.py',
    '../_base_/datasets/synthface_64.py',
    '../_base_/schedules/adamw_3e.py',
    '../_base_/default_runtime.py',
]

start = 'work_dirs/apvit-baseline_resnet18-vit-tiny_1xb16-8e_synthface-easy-64px/epoch_8.pth'
model = dict(
    backbone=dict(
        # Like the published model: the tables compare what the head reads.
        out_type='cls_token',
        # Transformer and CNN start from their parts of the file.
        init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.', exclude='cnn.'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint=start, prefix='backbone.cnn.')),
    )
)
