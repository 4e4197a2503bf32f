# APViT with a CNN of timm, here EfficientNet-B0, from scratch: 224x224 -> 112 channels on 14x14. No
# published result.
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
            type='TIMMBackbone',
            model_name='efficientnet_b0',
            features_only=True,
            out_indices=(3,),  # the stage with a stride of 16
        ),
    )
)
