# Like kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_utkface-224px.py, but without
# augmentation, so that prior tokens are computed only once per image.
_base_ = 'kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_utkface-224px.py'
train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
custom_hooks = [dict(type='PriorTokenCacheHook')]
