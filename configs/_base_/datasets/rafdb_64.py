# RAF-DB as in rafdb_112_holdout.py at 64x64 pixels, for small nets on a CPU: trains on 90 % of the
# training list and validates on the rest. Uses the dataset's own crops.
_base_ = 'rafdb_112_holdout.py'

# Differences in light and contrast hold small nets back.
data_preprocessor = dict(standardize=True)

train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = 64  # RandomResizedCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (64, 64)  # Resize

crops = dict(image_dir='Image/aligned', image_name='{stem}_aligned.jpg')
train_dataloader = dict(
    batch_size=16, num_workers=1, dataset=dict(dataset=dict(pipeline=train_pipeline, **crops))
)
val_dataloader = dict(batch_size=64, num_workers=1, dataset=dict(pipeline=test_pipeline, **crops))
test_dataloader = dict(batch_size=64, num_workers=1, dataset=dict(pipeline=test_pipeline, **crops))
