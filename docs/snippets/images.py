import torch
from torch import nn

## [code]
x = torch.arange(48.0).reshape(1, 3, 4, 4)

norm = nn.BatchNorm2d(3)
y = norm(x)
print(y[0, 2])
print(norm.running_mean)

dims = (0, 2, 3)
y = (x - x.mean(dims, keepdim=True)) / torch.sqrt(
    x.var(dims, keepdim=True) + norm.eps  # torch.var divides by n - 1
)
print(y[0, 2])
## [code]
