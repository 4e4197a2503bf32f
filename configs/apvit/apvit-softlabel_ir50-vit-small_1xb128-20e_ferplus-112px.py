# APViT (160, .9) on FERPlus, trained with each picture shared among the expressions that its votes
# are for (the cross-entropy of FER+), tested by majority; no published figure.
_base_ = 'apvit_ir50-vit-small_1xb128-20e_ferplus-112px.py'

train_dataloader = dict(dataset=dict(mode='soft'))
