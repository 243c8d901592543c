"""A network of one's own, from torch to simulated cycles. Run it from the repository's folder:

.venv/bin/python examples/own_network.py
"""

import torch
from torch import nn

from flows.module_run import accelerate

torch.manual_seed(0)
conv = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
net = nn.Sequential(conv, nn.Linear(8 * 4 * 4, 10))
report = accelerate(net, torch.rand(32, 1, 8, 8), overrides=("overlay.luts=9000",))
print(f"{report['measured']} cycles an image, bound {report['lower_bound']}: {report['run']}")
