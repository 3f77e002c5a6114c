import torch
from torch import nn

## [code]
m = nn.BatchNorm1d(3)
x1 = torch.tensor([[0.0, 3, 0], [3, 2, 2]])
x2 = torch.tensor([[1.0, 3, 3], [2, 0, 3]])


print(m)
print(m(x1))
print(m.running_mean)
print(m.running_var)

m.eval()
print(m(x2))
## [code]
