"""Writes improved_diffusion.json: what small networks of openai/improved-diffusion answer, and its noise schedules.

Run with PyTorch 2.13 and numpy 2.4:  python improved_diffusion.py CHECKOUT > improved_diffusion.json

Weights are not stored: `weights` makes them from the order, the names and the shapes of the parameters.
"""

import json
import sys

import numpy as np


def weights(shapes):
    """Random weights for parameters given by name and shape, in their order: near 1 for norms' scales, else of size 1/sqrt(fan-in)."""
    made = {}
    for index, (name, shape) in enumerate(shapes):
        values = np.random.default_rng(index).standard_normal(shape)
        if len(shape) == 1:
            scale_of_norm = name.endswith("weight") or name.endswith("gamma")
            made[name] = (1.0 if scale_of_norm else 0.0) + 0.2 * values
        else:
            # PyTorch's layout has the inputs behind the outputs; TensorFlow's ends with the outputs.
            fan_in = np.prod(shape[1:]) if name.endswith("weight") else np.prod(shape[:-1])
            made[name] = values / np.sqrt(fan_in)
        made[name] = made[name].astype(np.float32)
    return made


def inputs(count, size):
    rng = np.random.default_rng(1234)
    return rng.standard_normal((count, 3, size, size)).astype(np.float32), np.array([3, 777])[:count]


NETWORKS = {
    "two heads, scale-shift": {
        "options": ["--num-heads", "2", "--attention-resolutions", "4", "--channel-mult", "1,2", "--num-res-blocks", "1"],
        "network": {"num_heads": 2, "attention_resolutions": (2,), "out_channels": 3, "use_scale_shift_norm": True},
    },
    "one head, learned variance": {
        "options": ["--num-heads", "1", "--attention-resolutions", "8,4", "--channel-mult", "1,2", "--num-res-blocks", "1",
                    "--learn-sigma", "--no-use-scale-shift-norm"],
        "network": {"num_heads": 1, "attention_resolutions": (1, 2), "out_channels": 6, "use_scale_shift_norm": False},
    },
}


def main():
    sys.path.insert(0, sys.argv[1])
    import torch
    from improved_diffusion.gaussian_diffusion import get_named_beta_schedule
    from improved_diffusion.unet import UNetModel

    golden = {"networks": {}, "alpha_bar": {}}
    x, t = inputs(2, 8)
    for name, case in NETWORKS.items():
        network = UNetModel(in_channels=3, model_channels=32, num_res_blocks=1, channel_mult=(1, 2), **case["network"]).eval()
        shapes = [(key, list(value.shape)) for key, value in network.state_dict().items()]
        network.load_state_dict({key: torch.from_numpy(value) for key, value in weights(shapes).items()})
        with torch.no_grad():
            output = network(torch.from_numpy(x), torch.from_numpy(t))
        golden["networks"][name] = {
            "options": case["options"],
            "parameters": shapes,
            "output": [round(v, 7) for v in output.double().flatten().tolist()],
        }
    for kind in ("linear", "cosine"):
        for steps in (1000, 4000):
            alpha_bar = np.cumprod(1 - get_named_beta_schedule(kind, steps))
            golden["alpha_bar"][f"{kind} {steps}"] = alpha_bar[:: steps // 10].tolist()
    print(json.dumps(golden, indent=None, separators=(",", ":")))


if __name__ == "__main__":
    main()
