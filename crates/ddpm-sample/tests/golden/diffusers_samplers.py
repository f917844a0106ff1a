"""Writes diffusers_samplers.safetensors: what diffusers' schedulers make of given noise with an exact denoiser.

    python diffusers_samplers.py        (torch 2.13.0, diffusers 0.42.1, numpy 2, safetensors)

The target is a mixture of two isotropic Gaussians in the plane, whose E[x_0 | x_t] is written out below in f64. Tensors:

    x_T [n, 2], z [draws, n, 2]                      the injected noise, f32
    ddpm/<variance>/<grid>/<steps> [n, 2]            DDPMScheduler
    ddim/<eta>/<grid>/<steps> [n, 2]                 DDIMScheduler
    dpmpp-2m/trailing/<steps> [n, 2]                 DPMSolverMultistepScheduler, order 2, final sigma zero
"""

import math
import pathlib

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_ddpm
from safetensors.torch import save_file

WEIGHTS = torch.tensor([0.3, 0.7], dtype=torch.float64)
MEANS = torch.tensor([[-1.5, 0.5], [1.0, -0.25]], dtype=torch.float64)
STDS = torch.tensor([0.25, 0.4], dtype=torch.float64)
N, DRAWS = 8, 1000
# With all 1000 steps the three grids are one.
RUNS = [("trailing", 1000)] + [(grid, steps) for grid in ["leading", "linspace", "trailing"] for steps in [50, 7]]


def ideal_epsilon(x, alpha_bar):
    """eps with x = sqrt(alpha_bar) E[x_0|x] + sqrt(1 - alpha_bar) eps."""
    x = x.double()
    alpha, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    variance = alpha**2 * STDS**2 + sigma**2
    offset = x[:, None] - alpha * MEANS
    log_weight = WEIGHTS.log() - variance.log() - (offset**2).sum(-1) / (2 * variance)
    responsibility = log_weight.softmax(-1)
    component_mean = MEANS + (alpha * STDS**2 / variance)[:, None] * offset
    x0 = (responsibility[..., None] * component_mean).sum(1)
    return ((x - alpha * x0) / sigma).float()


def run(scheduler, x_T, step):
    x = x_T
    for k, t in enumerate(scheduler.timesteps):
        eps = ideal_epsilon(x, float(scheduler.alphas_cumprod[t]))
        x = step(scheduler, eps, t, x, k)
    return x


def main():
    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(N, 2, generator=generator)
    z = torch.randn(DRAWS, N, 2, generator=generator)
    tensors = {"x_T": x_T, "z": z}
    common = dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, clip_sample=False)

    for variance in ["fixed_small", "fixed_large"]:
        for grid, steps in RUNS:
            scheduler = DDPMScheduler(variance_type=variance, timestep_spacing=grid, **common)
            scheduler.set_timesteps(steps)
            # Below its lowest visited timestep DDPMScheduler goes on to add noise, unless that is timestep 0: with fixed_large the
            # samples end noised on a respaced trailing grid. Ho et al. (algorithm 2) end with the mean, and so does this comparison.
            draw = iter([*z[: steps - 1], torch.zeros_like(x_T)])
            scheduling_ddpm.randn_tensor = lambda *_, **__: next(draw)
            out = run(scheduler, x_T, lambda s, e, t, x, _: s.step(e, t, x).prev_sample)
            tensors[f"ddpm/{variance.replace('_', '-')}/{grid}/{steps}"] = out

    for eta in [0.0, 0.5, 1.0]:
        for grid, steps in RUNS:
            scheduler = DDIMScheduler(timestep_spacing=grid, **common)
            scheduler.set_timesteps(steps)

            def step(s, e, t, x, k):
                return s.step(e, t, x, eta=eta, variance_noise=z[k] if eta > 0 else None).prev_sample

            tensors[f"ddim/{eta}/{grid}/{steps}"] = run(scheduler, x_T, step)

    for steps in [50, 20, 10]:
        scheduler = DPMSolverMultistepScheduler(
            num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, timestep_spacing="trailing",
            algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero",
        )
        scheduler.set_timesteps(steps)
        out = run(scheduler, x_T, lambda s, e, t, x, _: s.step(e, t, x).prev_sample)
        tensors[f"dpmpp-2m/trailing/{steps}"] = out

    path = pathlib.Path(__file__).with_suffix(".safetensors")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


if __name__ == "__main__":
    main()
