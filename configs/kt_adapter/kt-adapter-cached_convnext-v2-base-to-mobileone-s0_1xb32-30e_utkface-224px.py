# As kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_utkface-224px.py, but without
# augmentation, so that the priors are asked only once about each image.
_base_ = 'kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_utkface-224px.py'
train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
custom_hooks = [dict(type='PriorTokenCacheHook')]
