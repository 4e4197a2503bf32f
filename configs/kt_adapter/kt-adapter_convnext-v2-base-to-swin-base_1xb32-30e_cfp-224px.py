# KT-Adapter "C to S": recognition on CFP, canonical encoder Swin-base, priors ConvNeXt V2-base.
_base_ = [
    '../_base_/kt_adapter/swin-base_cfp-224px.py',
    '../_base_/kt_adapter/priors_convnext-v2-base_224px.py',
]
model = dict(priors=_base_.priors)
