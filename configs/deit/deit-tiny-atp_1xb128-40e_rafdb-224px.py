# DeiT-Tiny with Attentive Token Pooling on RAF-DB, from its ImageNet weights: 86.70 % with 0.96
# GFLOPs (Table 14).
_base_ = 'deit-tiny_1xb128-40e_rafdb-224px.py'

# Each block of the second half (of 12) keeps .8 of its patch tokens.
model = dict(backbone=dict(atp=dict(_delete_=True, keep_rate=0.8, start=6, criterion='sum')))
