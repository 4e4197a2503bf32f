# KT-Adapter whose canonical encoder is Swin-base, trained for age on UTKFace. The configs that
# inherit from it add the priors.
_base_ = [
    '../models/swin-base.py',
    '../datasets/utkface_224.py',
    '../schedules/kt_adapter_30e.py',
    '../default_runtime.py',
]
model = dict(
    type='FaceAnalyzer',
    backbone=dict(init_cfg=None),
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(_delete_=True, type='KTAdapter', canonical='age', init_scale=0.0),
    head=dict(type='AgeHead', in_channels=1024),
    # Encoder and decoder go on from the baseline.
    init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/swin-base_1xb32-30e_utkface-224px/epoch_30.pth'
    ),
)
