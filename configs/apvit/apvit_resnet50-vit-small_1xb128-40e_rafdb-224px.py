# APViT with mmpretrain's ResNet-50, three of its stages, from scratch: 224x224 -> 1024 channels on
# 14x14. No published result.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb_224.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        img_size=224,
        cnn=dict(
            _delete_=True,
            type='ResNet',
            depth=50,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
        ),
    )
)
