import torch
from torch import nn

## [code]
bn = nn.BatchNorm1d(1)
x = torch.tensor([[1000000.0], [1000000.25], [1000000.5]])

print(bn(x).T)

bn.running_mean[0] = 1000000
bn.running_var[0] = 0.01
print(bn.eval()(x).T)
## [code]
