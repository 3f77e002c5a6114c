import torch
from torch import nn

## [code]
trained, restored = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
trained(torch.tensor([[1.0, 10], [3, 30]]))
trained.weight.data = torch.tensor([2, 0.5])

state = trained.state_dict(prefix="bn1.")
for name, tensor in state.items():
    print(name, tensor)



own = {name[4:]: tensor for name, tensor in state.items()}
restored.load_state_dict(own)
print(restored.eval()(torch.tensor([[1.0, 10]])))
## [code]
