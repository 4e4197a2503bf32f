# Table 5, M, "1 encoder": the first of the three priors only, for expression.
_base_ = '../kt-adapter_mobileone-s0-to-mobileone-s0_1xb32-30e_affectnet-hq-224px.py'
model = dict(num_priors=1)
