# The small DeiT with Attentive Token Pooling, from scratch, for the small version of Table 14.
_base_ = 'deit-micro_1xb16-12e_synthface-64px.py'

# Each block of the second half keeps .8 of its patch tokens.
model = dict(backbone=dict(atp=dict(_delete_=True, keep_rate=0.8, start=2, criterion='sum')))
