# KT-Adapter whose canonical encoder is the small ConvNeXt V2, trained for expression on drawn
# faces. The configs that inherit from it add the priors.
_base_ = [
    '../models/convnext-v2-micro.py',
    '../datasets/synthface-expression_64.py',
    '../schedules/kt_adapter_10e.py',
    '../default_runtime.py',
]
model = dict(
    type='FaceAnalyzer',
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(
        _delete_=True, type='KTAdapter', canonical='expression', embed_dims=128, init_scale=0.0
    ),
    head=dict(type='MLPClsHead', num_classes=7, in_channels=128, hidden_channels=(64,)),
    # Encoder and decoder go on from the baseline.
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/convnext-v2-micro_1xb32-20e_synthface-expression-64px/epoch_20.pth',
    ),
)
