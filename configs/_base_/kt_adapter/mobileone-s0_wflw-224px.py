# KT-Adapter whose canonical encoder is MobileOne-s0, trained for landmarks on WFLW. The configs
# that inherit from it add the priors.
_base_ = [
    '../models/mobileone-s0.py',
    '../datasets/wflw_224.py',
    '../schedules/kt_adapter_30e.py',
    '../default_runtime.py',
]
model = dict(
    type='FaceAnalyzer',
    backbone=dict(init_cfg=None),
    # Starts as the identity: the first predictions are the baseline's.
    neck=dict(_delete_=True, type='KTAdapter', canonical='landmarks', init_scale=0.0),
    head=dict(type='LandmarkHead', input_size=224, in_channels=1024),
    # Encoder and decoder go on from the baseline.
    init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/mobileone-s0_1xb32-30e_wflw-224px/epoch_30.pth'
    ),
)
