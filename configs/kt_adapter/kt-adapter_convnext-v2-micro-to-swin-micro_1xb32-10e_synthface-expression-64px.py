# KT-Adapter "C to S": expression on drawn faces, canonical encoder the small Swin, priors the small
# ConvNeXt V2.
_base_ = [
    '../_base_/kt_adapter/swin-micro_synthface-expression-64px.py',
    '../_base_/kt_adapter/priors_convnext-v2-micro_synthface-64px.py',
]
model = dict(priors=_base_.priors)
