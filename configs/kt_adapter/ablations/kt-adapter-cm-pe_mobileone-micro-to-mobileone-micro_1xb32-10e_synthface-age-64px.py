# Table 6, marks: CM, PE. The method itself has the drop mask (DM) and the canonical mask (CM) but
# no position embedding (PE), which here is one of tasks.
_base_ = '../kt-adapter_mobileone-micro-to-mobileone-micro_1xb32-10e_synthface-age-64px.py'
model = dict(neck=dict(drop_mask=False, task_embedding=True))
