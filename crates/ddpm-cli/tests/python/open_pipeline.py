"""Open a checkpoint with DDPMPipeline, answer `x`, `t` of a file with its network, and draw one image with its scheduler."""
import sys

import torch
from diffusers import DDPMPipeline
from safetensors.torch import load_file, save_file

pipeline = DDPMPipeline.from_pretrained(sys.argv[1])
inputs = load_file(sys.argv[2])
with torch.no_grad():
    eps = pipeline.unet(inputs["x"], inputs["t"]).sample
save_file(dict(eps=eps), sys.argv[3])
pipeline.set_progress_bar_config(disable=True)
image = pipeline(batch_size=1, num_inference_steps=2, output_type="np").images
assert image.shape == (1, 8, 8, 1), image.shape
