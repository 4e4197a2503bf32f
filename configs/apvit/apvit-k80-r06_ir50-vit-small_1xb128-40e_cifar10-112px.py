# APViT (80, .6) on CIFAR-10: 96.11 % (Table 15).
_base_ = 'apvit_ir50-vit-small_1xb128-40e_cifar10-112px.py'

model = dict(backbone=dict(app=dict(keep_num=80), atp=dict(keep_rate=0.6)))
