# KT-Adapter "S to C": recognition on CFP, canonical encoder ConvNeXt V2-base, priors Swin-base.
_base_ = [
    '../_base_/kt_adapter/convnext-v2-base_cfp-224px.py',
    '../_base_/kt_adapter/priors_swin-base_224px.py',
]
model = dict(priors=_base_.priors)
