# RAF-DB as in rafdb_112.py, but with the dataset's own crops of 100x100, which it calls aligned:
# nothing needs to be aligned first. No result with APViT's recipe is published for them: 91.98 %
# belongs to the faces of rafdb_112.py, and people who tested the published weights on faces that
# they aligned themselves report about 81 %.
_base_ = 'rafdb_112.py'

crops = dict(image_dir='Image/aligned', image_name='{stem}_aligned.jpg')
train_dataloader = dict(dataset=dict(dataset=crops))
val_dataloader = dict(dataset=crops)
test_dataloader = dict(dataset=crops)
