"""Keras' own formulas, as its BatchNormalization documents them, with its defaults."""
import torch

## [code]
momentum, epsilon = 0.99, 1e-3
moving_mean, moving_variance = torch.zeros(2), torch.ones(2)

x = torch.tensor([[1.0, 10], [3, 30], [8, 20]])
mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
print((x - mean) / torch.sqrt(variance + epsilon))
print(moving_mean * momentum + mean * (1 - momentum))
print(moving_variance * momentum + variance * (1 - momentum))
## [code]
