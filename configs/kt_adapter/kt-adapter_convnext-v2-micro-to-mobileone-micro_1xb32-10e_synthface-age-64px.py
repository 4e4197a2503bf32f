# KT-Adapter "C to M": age on drawn faces, canonical encoder the small MobileOne, priors the small
# ConvNeXt V2.
_base_ = [
    '../_base_/kt_adapter/mobileone-micro_synthface-age-64px.py',
    '../_base_/kt_adapter/priors_convnext-v2-micro_synthface-64px.py',
]
model = dict(priors=_base_.priors)
