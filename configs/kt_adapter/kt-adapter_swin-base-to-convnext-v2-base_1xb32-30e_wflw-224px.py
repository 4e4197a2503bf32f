# KT-Adapter "S to C": landmarks on WFLW, canonical encoder ConvNeXt V2-base, priors Swin-base.
_base_ = [
    '../_base_/kt_adapter/convnext-v2-base_wflw-224px.py',
    '../_base_/kt_adapter/priors_swin-base_224px.py',
]
model = dict(priors=_base_.priors)
