# Like kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px.py, but without
# augmentation, so that prior tokens are computed only once per image.
_base_ = 'kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px.py'
train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
custom_hooks = [dict(type='PriorTokenCacheHook')]
