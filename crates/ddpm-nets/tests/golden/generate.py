#!/usr/bin/env python3
"""Write unet.json and scheduler.json beside this file: what diffusers answers for U-Nets and schedules of many shapes.

Versions: see xtask/python/requirements.txt. Weights and inputs follow an integer hash (crates/ddpm-testkit), so
that the files hold outputs only.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch.utils.flop_counter import FlopCounterMode

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "ddpm-testkit/python"))
from hashed import keys, noise, set_weights  # noqa: E402


BASE = dict(
    sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=[16, 32],
    down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    norm_num_groups=8, attention_head_dim=8,
)

CASES = {
    "several_heads": {},
    "one_head_ho_style": dict(
        attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6, layers_per_block=2,
    ),
    "attention_at_every_level": dict(
        block_out_channels=[16, 24, 32], down_block_types=["AttnDownBlock2D"] * 3, up_block_types=["AttnUpBlock2D"] * 3,
        attention_head_dim=4,
    ),
    "no_attention_in_the_middle": dict(
        add_attention=False, down_block_types=["DownBlock2D"] * 2, up_block_types=["UpBlock2D"] * 2,
    ),
    "classes": dict(num_class_embeds=11),
    "scale_shift_learned_range": dict(resnet_time_scale_shift="scale_shift", out_channels=6),
    "scale_shift_with_attention_norm": dict(resnet_time_scale_shift="scale_shift", attn_norm_num_groups=4),
    "size_28_grey": dict(
        sample_size=28, in_channels=1, out_channels=1, block_out_channels=[8, 16, 16], norm_num_groups=4,
        down_block_types=["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
        up_block_types=["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
    ),
    "rectangle_one_level": dict(
        sample_size=[6, 10], block_out_channels=[16], down_block_types=["AttnDownBlock2D"], up_block_types=["UpBlock2D"],
        mid_block_scale_factor=1.4142135623730951, time_embedding_dim=24,
    ),
    "fourier": dict(time_embedding_type="fourier"),
}


def shape_of(config, images):
    size = config["sample_size"]
    height, width = size if isinstance(size, list) else (size, size)
    return (images, config["in_channels"], height, width)


def flops(net, config):
    """Floating-point operations of convolutions and matrix products in a forward pass of one image."""
    for module in net.modules():
        if isinstance(module, Attention):
            # The counter does not know the fused kernel of the CPU.
            module.set_processor(AttnProcessor())
    y = torch.tensor([2]) if "num_class_embeds" in config else None
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(shape_of(config, 1)), torch.tensor([3]), class_labels=y)
    return counter.get_total_flops()


def unet_case(name, overrides):
    config = {**BASE, **overrides}
    net = set_weights(UNet2DModel(**config).eval())
    shape = shape_of(config, 2)
    x = noise("x", shape)
    t = torch.tensor([0.25, 17.0] if config.get("time_embedding_type") == "fourier" else [3, 871])
    y = torch.tensor([2, 10]) if "num_class_embeds" in config else None
    with torch.no_grad():
        out = net(x, t, class_labels=y).sample
    outputs = [float(np.format_float_positional(v, unique=True)) for v in out.flatten().numpy()]
    return dict(
        name=name, config=config, t=t.tolist(), y=None if y is None else y.tolist(),
        keys=keys(net), flops=flops(net, config),
        output_shape=list(out.shape), output=outputs,
    )


HO2020 = dict(
    sample_size=32, in_channels=3, out_channels=3, layers_per_block=2, block_out_channels=[128, 256, 256, 256],
    down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"], norm_eps=1e-6, attention_head_dim=None,
    downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
)

SCHEDULERS = {
    "ho2020": {},
    "scaled_linear": dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    "cosine": dict(beta_schedule="squaredcos_cap_v2"),
    "sigmoid": dict(beta_schedule="sigmoid"),
    "short": dict(num_train_timesteps=100, beta_start=1e-3, beta_end=0.2),
    "literal_betas": dict(trained_betas=[0.01, 0.2, 0.05, 0.4], num_train_timesteps=4),
    "zero_terminal_snr": dict(rescale_betas_zero_snr=True),
}


def scheduler_case(name, overrides):
    scheduler = DDPMScheduler(**overrides)
    total = scheduler.config.num_train_timesteps
    steps = sorted({0, 1, 2, total // 3, total // 2, total - 2, total - 1})
    grids = {}
    for spacing in ["leading", "linspace", "trailing"]:
        for n in [1, 2, 3, 7, 50, 64]:
            if n <= total:
                grid = DDPMScheduler(**{**overrides, "timestep_spacing": spacing})
                grid.set_timesteps(n)
                grids[f"{spacing} {n}"] = grid.timesteps.tolist()
    return dict(
        name=name, config=dict(scheduler.config), t=steps,
        alpha_bar=[float(scheduler.alphas_cumprod[t]) for t in steps], grids=grids,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    ho = UNet2DModel(**HO2020)
    unet = dict(
        cases=[unet_case(*case) for case in CASES.items()],
        ho2020=dict(config=HO2020, parameters=sum(p.numel() for p in ho.parameters()),
                    keys=keys(ho), flops=flops(ho.eval(), HO2020)),
    )
    (HERE / "unet.json").write_text(json.dumps(unet) + "\n")
    (HERE / "scheduler.json").write_text(json.dumps([scheduler_case(*case) for case in SCHEDULERS.items()]) + "\n")
