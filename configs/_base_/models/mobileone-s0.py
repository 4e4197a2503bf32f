# MobileOne-s0 ("M" in the KT-Adapter paper): 1024 channels at 7x7 for 224x224 pixels, 275 MFLOPs
# with merged branches (tools/model_converters/reparameterize.py). The head depends on the task.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='MobileOne',
        arch='s0',
        out_indices=(3,),
        # ImageNet weights, MMPretrain's own file; None starts from scratch.
        init_cfg=dict(
            type='Pretrained', checkpoint='checkpoints/mobileone-s0_imagenet.pth', prefix='backbone'
        ),
    ),
    neck=dict(type='GlobalAveragePooling'),
)
