# The small net without pooling on other drawn people, who are easier than those of all other
# configs: starting weights of apvit-pretrained_resnet18-vit-tiny_1xb16-3e_synthface-64px.py.
_base_ = 'apvit-baseline_resnet18-vit-tiny_1xb16-12e_synthface-64px.py'

model = dict(backbone=dict(out_type='cls_token'))

faces = dict(
    seed=1,
    difficulty=dict(variation=0.3, pose=0.3, light=0.3, clutter=1.0, loss=0.3, occlusion=0.3),
)
train_dataloader = dict(dataset=dict(**faces))
val_dataloader = dict(dataset=dict(**faces))
test_dataloader = dict(dataset=dict(**faces))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', T_max=8, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=8)
