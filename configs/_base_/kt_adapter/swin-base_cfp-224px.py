# KT-Adapter whose canonical encoder is Swin-base, trained for recognition on CFP. The configs that
# inherit from it add the priors.
_base_ = [
    '../models/swin-base.py',
    '../datasets/cfp_224.py',
    '../schedules/kt_adapter_30e.py',
    '../default_runtime.py',
]
model = dict(
    type='FaceAnalyzer',
    backbone=dict(init_cfg=None),
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(_delete_=True, type='KTAdapter', canonical='recognition', init_scale=0.0),
    head=dict(type='MLPClsHead', num_classes=500, in_channels=1024, with_feat=True),
    # Encoder and decoder go on from the baseline.
    init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/swin-base_1xb32-30e_cfp-224px/epoch_30.pth'
    ),
)
