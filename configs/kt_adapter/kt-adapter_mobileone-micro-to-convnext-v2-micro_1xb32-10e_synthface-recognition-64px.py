# KT-Adapter "M to C": recognition on drawn faces, canonical encoder the small ConvNeXt V2, priors
# the small MobileOne.
_base_ = [
    '../_base_/kt_adapter/convnext-v2-micro_synthface-recognition-64px.py',
    '../_base_/kt_adapter/priors_mobileone-micro_synthface-64px.py',
]
model = dict(priors=_base_.priors)
