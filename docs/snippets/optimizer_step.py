import torch
from torch import nn

## [code]
x = torch.arange(15).reshape(3, 5).float()

bn = nn.BatchNorm1d(5)
y = bn(x)
y.sum().backward()
print(bn.weight.grad)
print(bn.bias.grad)

optimizer = torch.optim.RMSprop(bn.parameters(), lr=0.01)
optimizer.step()
optimizer.zero_grad()
print(bn.weight.data)
print(bn.bias.data)
## [code]
