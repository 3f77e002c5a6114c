import torch
from torch import nn

## [code]
bn = nn.BatchNorm1d(3)
x = torch.tensor([[1.0, 4, 2], [3, 0, 5], [8, 1, 7]])
x.requires_grad_()
dy = torch.tensor([[1.0, 0, 2], [0, 1, 0], [0, 2, 1]])

y = bn(x)
y.backward(dy)
print(x.grad)
print(bn.weight.grad)
print(bn.bias.grad)
## [code]
