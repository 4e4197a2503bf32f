# APViT (120, .9) on CIFAR-10: 96.23 % (Table 15). The schedule is that of RAF-DB, our choice: the
# paper gives neither learning rate nor epochs.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/cifar10_112.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

# Starting weights of the published model, see apvit_ir50-vit-small_1xb128-40e_rafdb-112px.py.
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vit-small_imagenet.pth'),
        cnn=dict(init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50_ms1m.pth')),
        app=dict(keep_num=120),
    ),
    head=dict(num_classes=10),
)
