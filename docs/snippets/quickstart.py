import torch

torch.set_printoptions(precision=6)
## [code]
x = (torch.arange(8 * 3 * 32 * 32) % 10).float().reshape(8, 3, 32, 32)

bn = torch.nn.BatchNorm2d(3)
y = bn(x)
y = bn.eval()(x)
print(bn)
print("running mean", bn.running_mean)
print("y(0,0,0,0)", y[0, 0, 0, 0])
## [code]
