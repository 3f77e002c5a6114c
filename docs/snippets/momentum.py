import torch
from torch import nn

## [code]
x = torch.arange(15).reshape(3, 5).float()




half = nn.BatchNorm1d(5, momentum=0.5)
half(x)
half(2 * x)
print(half.running_mean)
print(half.running_var)


average = nn.BatchNorm1d(5, momentum=None)
average(x)
average(2 * x)
print(average)
print(average.running_mean)
## [code]
