# APViT with mmpretrain's MobileNetV2 up to its stride of 16, from scratch: 224x224 -> 96 channels
# on 14x14. No published result.
_base_ = [
    '../_base_/models/apvit_ir50-vit-small.py',
    '../_base_/datasets/rafdb_224.py',
    '../_base_/schedules/sgd_40e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        img_size=224,
        cnn=dict(_delete_=True, type='MobileNetV2', widen_factor=1.0, out_indices=(4,)),
    )
)

# mmpretrain also builds the layers after that stage. They get no gradients, which DDP must know.
find_unused_parameters = True
