# Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
# RAF-DB as in rafdb_112.py, but with an input of 224x224 pixels: for plain ViTs with patches of
# 16x16 and for CNNs with a stride of 16. All other transforms are relative to the image size.
_base_ = 'rafdb_112.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = 224  # RandomResizedCrop
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (224, 224)  # Resize

train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
