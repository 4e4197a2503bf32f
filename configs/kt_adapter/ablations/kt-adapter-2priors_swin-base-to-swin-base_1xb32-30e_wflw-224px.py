# Table 5, S, "2 encoders": the first two of the three priors, for landmarks.
_base_ = '../kt-adapter_swin-base-to-swin-base_1xb32-30e_wflw-224px.py'
model = dict(num_priors=2)
