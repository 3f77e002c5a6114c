import torch

## [code]
eps, momentum = 1e-3, 0.95
running_mean = torch.zeros(3)
running_var = torch.zeros(3)


def batch_norm(x, inference=False):
    global running_mean, running_var
    mean, var = running_mean, running_var
    if not inference:
        mean, var = x.mean(dim=0), x.var(dim=0)
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
    return (x - mean) / torch.sqrt(var + eps)


x = torch.tensor([[1.1, 1, 2], [10, 11, 12], [21, 22, 23]])
print(batch_norm(x))
print(running_mean)
print(running_var)
print(batch_norm(x, inference=True))
## [code]
