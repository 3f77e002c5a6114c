import torch
from torch import nn

## [code]
x = torch.arange(48.0).reshape(1, 3, 4, 4)

norm = nn.BatchNorm2d(3)
y = norm(x)
print(y[0, 2])
print(norm.running_mean)

dims = (0, 2, 3)
mean = x.mean(dims, keepdim=True)
var = x.var(dims, keepdim=True)  # torch.var divides by n - 1
y = (x - mean) / torch.sqrt(var + norm.eps)
print(y[0, 2])
## [code]
