# Table 6, marks: none of the three. The method itself has the drop mask (DM) and the canonical mask
# (CM) but no position embedding (PE), which here is one of tasks.
_base_ = '../kt-adapter_convnext-v2-base-to-mobileone-s0_1xb32-30e_affectnet-hq-224px.py'
model = dict(neck=dict(drop_mask=False, canonical_mask=False))
