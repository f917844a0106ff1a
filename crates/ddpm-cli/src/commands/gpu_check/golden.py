#!/usr/bin/env python3
"""Write golden.json beside this file: what diffusers' network of Ho et al. 2020 answers on the CPU in f32, with its gradients.

Versions: see xtask/python/requirements.txt. Weights and inputs follow an integer hash (crates/ddpm-testkit), so that the file holds
answers only: every 64th number of the output for one image, the mean squared error against hashed noise, and the norms of its
gradients by some of the parameters.
"""
import json
import pathlib
import sys

import torch
from diffusers import UNet2DModel

HERE = pathlib.Path(__file__).parent
CRATES = HERE.parents[3]
sys.path.insert(0, str(CRATES / "ddpm-testkit/python"))
sys.path.insert(0, str(CRATES / "ddpm-nets/tests/golden"))
from generate import HO2020  # noqa: E402
from hashed import noise, set_weights  # noqa: E402

SHAPE, T = (1, 3, 32, 32), 500

if __name__ == "__main__":
    torch.set_num_threads(1)
    net = set_weights(UNet2DModel(**HO2020).eval())
    output = net(noise("x", SHAPE), torch.tensor([T])).sample
    loss = (output - noise("eps", SHAPE)).square().mean()
    loss.backward()
    norms = {name: float(p.grad.double().norm()) for name, p in net.named_parameters()}
    golden = dict(
        output=[float(v) for v in output.detach().flatten()[::64]],
        loss=float(loss.detach()),
        gradient_norm=sum(v * v for v in norms.values()) ** 0.5,
        gradient_norms={name: norms[name] for name in sorted(norms)[::25]},
    )
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
