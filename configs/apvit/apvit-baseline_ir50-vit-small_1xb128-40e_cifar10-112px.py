# The baseline without any pooling on CIFAR-10: 96.02 % (Table 15).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_cifar10-112px.py'

model = dict(backbone=dict(app=None, atp=None))
