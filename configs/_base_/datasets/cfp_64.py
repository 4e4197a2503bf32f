# CFP as in cfp_224.py, but at 64x64 pixels: for small nets on a CPU.
_base_ = 'cfp_224.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1].size = 64  # RandomCropFace
test_pipeline = _base_.test_pipeline
test_pipeline[1].size = 64  # CropFace

train_dataloader = dict(num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
