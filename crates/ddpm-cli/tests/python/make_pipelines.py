"""Save diffusers pipelines of many shapes below the folder given, each with an input and diffusers' own answer."""
import pathlib
import sys

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

CASES = {
    "default_heads": dict(),
    "one_head": dict(attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1),
    "attention_everywhere": dict(
        block_out_channels=(32, 64, 96), attention_head_dim=16,
        down_block_types=("AttnDownBlock2D",) * 3, up_block_types=("AttnUpBlock2D",) * 3,
    ),
    "classes": dict(num_class_embeds=11),
    "size_28": dict(
        sample_size=28, in_channels=1, out_channels=1, block_out_channels=(32, 32, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    ),
    "learned_range": dict(out_channels=6, resnet_time_scale_shift="scale_shift"),
    "two_layers_mid_scale": dict(layers_per_block=2, mid_block_scale_factor=2.0, norm_num_groups=16),
}
BASE = dict(
    sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(32, 64),
    down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)

root = pathlib.Path(sys.argv[1])
torch.set_num_threads(1)
for seed, (name, overrides) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    config = {**BASE, **overrides}
    net = UNet2DModel(**config).eval()
    scheduler = DDPMScheduler(variance_type="learned_range" if name == "learned_range" else "fixed_large")
    DDPMPipeline(net, scheduler).save_pretrained(root / name)
    size = config["sample_size"]
    tensors = dict(x=torch.randn(5, config["in_channels"], size, size), t=torch.tensor([0, 1, 250, 998, 999]))
    if "num_class_embeds" in config:
        tensors["y"] = torch.tensor([0, 3, 9, 10, 5])
    with torch.no_grad():
        out = net(tensors["x"], tensors["t"], class_labels=tensors.get("y")).sample
    eps = out[:, : config["in_channels"]].contiguous()
    ab = scheduler.alphas_cumprod[tensors["t"]].double().reshape(-1, 1, 1, 1)
    x0 = ((tensors["x"].double() - (1 - ab).sqrt() * eps.double()) / ab.sqrt()).float()
    save_file(tensors, root / name / "input.safetensors")
    save_file(dict(eps=eps, x0=x0), root / name / "expected.safetensors")
