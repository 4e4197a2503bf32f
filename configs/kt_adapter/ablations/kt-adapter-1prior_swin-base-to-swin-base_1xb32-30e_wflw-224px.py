# Table 5, S, "1 encoder": the first of the three priors only, for landmarks.
_base_ = '../kt-adapter_swin-base-to-swin-base_1xb32-30e_wflw-224px.py'
model = dict(num_priors=1)
