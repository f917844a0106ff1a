"""Writes schedules.json: reference schedules from numpy in float64 and from diffusers.

cosine: the formula of improved-diffusion's gaussian_diffusion.py (betas_for_alpha_bar), evaluated by numpy.
others: diffusers' DDPMScheduler (float32 tables) and Karras sigmas of EDM's generate.py.

    python schedules.py    # numpy, torch, diffusers
"""

import json
import math
import pathlib

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr


def cosine(steps):
    alpha_bar = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return [min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), 0.999) for i in range(steps)]


def thin(values, count=50):
    """Every entry of a short list; `count` spread entries, with their indices, of a long one."""
    values = [float(v) for v in values]
    index = sorted({round(x) for x in np.linspace(0, len(values) - 1, min(count, len(values)))})
    return {"index": index, "value": [values[i] for i in index], "sum": math.fsum(values)}


out = {"cosine_betas": {}}
for steps in (10, 100, 1000, 4000):
    out["cosine_betas"][str(steps)] = thin(cosine(steps))

torch.set_default_dtype(torch.float64)
for name, kind, start, end in [
    ("linear", "linear", 1e-4, 0.02),
    ("scaled-linear", "scaled_linear", 0.00085, 0.012),
    ("sigmoid", "sigmoid", 1e-4, 0.02),
]:
    scheduler = DDPMScheduler(1000, beta_schedule=kind, beta_start=start, beta_end=end)
    out[name] = thin(scheduler.betas)
    out[name + "-zero-terminal-snr-alpha-bars"] = thin(
        torch.cumprod(1 - rescale_zero_terminal_snr(scheduler.betas), 0)
    )

index = np.arange(18, dtype=np.float64)
out["karras"] = thin(((80 ** (1 / 7) + index / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7)[::-1])

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(out, indent=1) + "\n")
