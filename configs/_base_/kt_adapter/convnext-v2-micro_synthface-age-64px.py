# KT-Adapter whose canonical encoder is the small ConvNeXt V2, trained for age on drawn faces. The
# configs that inherit from it add the priors.
_base_ = [
    '../models/convnext-v2-micro.py',
    '../datasets/synthface-age_64.py',
    '../schedules/kt_adapter_10e.py',
    '../default_runtime.py',
]
model = dict(
    type='FaceAnalyzer',
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(_delete_=True, type='KTAdapter', canonical='age', embed_dims=128, init_scale=0.0),
    head=dict(type='AgeHead', in_channels=128, hidden_channels=(64,)),
    # Encoder and decoder go on from the baseline.
    init_cfg=dict(
        type='Pretrained',
        checkpoint='work_dirs/convnext-v2-micro_1xb32-20e_synthface-age-64px/epoch_20.pth',
    ),
)
