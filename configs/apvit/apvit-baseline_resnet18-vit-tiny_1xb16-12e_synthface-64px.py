# The small net on drawn faces without pooling, for comparison.
_base_ = 'apvit_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'

model = dict(backbone=dict(app=None, atp=None))
