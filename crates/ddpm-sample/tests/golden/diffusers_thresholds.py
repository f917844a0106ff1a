"""Writes diffusers_thresholds.safetensors: what diffusers' schedulers make of given noise where they threshold the predicted x_0.

    python diffusers_thresholds.py        (torch 2.13.0, diffusers 0.42.1, numpy 2, safetensors)

The target and its exact denoiser are those of diffusers_samplers.py; many of its x_0 lie outside [-1, 1]. Every run visits 20 timesteps of
`trailing`. `clip` is clip_sample with range 1, `dynamic` is thresholding with ratio 0.7 and cap 1.2. Tensors:

    x_T [n, 2], z [draws, n, 2]                              the injected noise, f32
    <clip or dynamic>/ddpm/fixed-large [n, 2]                DDPMScheduler
    <clip or dynamic>/ddim/<eta> [n, 2]                      DDIMScheduler
    <clip or dynamic>/ddim-clipped/<eta> [n, 2]              DDIMScheduler with use_clipped_model_output=True
    dynamic/dpmpp-2m, dynamic/dpmpp-2m-sde [n, 2]            DPMSolverMultistepScheduler, order 2, final sigma zero
    dynamic/unipc [n, 2]                                     UniPCMultistepScheduler, order 2, bh2, final sigma zero
    clip/edm [n, 2]                                          HeunDiscreteScheduler, which clips but has no thresholding
"""

import pathlib

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from diffusers.schedulers import scheduling_ddpm, scheduling_dpmsolver_multistep
from diffusers_samplers import N, ideal_epsilon
from safetensors.torch import save_file

STEPS = 20
CLIP = dict(clip_sample=True, clip_sample_range=1.0)
DYNAMIC = dict(thresholding=True, dynamic_thresholding_ratio=0.7, sample_max_value=1.2)
NOISING = dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, timestep_spacing="trailing")


def epsilon(x, alpha_bar):
    """The exact noise for x [n, 2, 1, 1]: thresholding wants images."""
    return ideal_epsilon(x.flatten(1), alpha_bar)[..., None, None]


def run(scheduler, x, step):
    scheduler.set_timesteps(STEPS)
    for k, t in enumerate(scheduler.timesteps):
        x = step(scheduler, epsilon(x, float(scheduler.alphas_cumprod[int(t)])), t, x, k)
    return x


def main():
    generator = torch.Generator().manual_seed(1)
    x_T = torch.randn(N, 2, generator=generator)
    z = torch.randn(STEPS, N, 2, generator=generator)
    start, draws = x_T[..., None, None], z[..., None, None]
    tensors = {"x_T": x_T, "z": z}

    for name, threshold in [("clip", CLIP), ("dynamic", dict(clip_sample=False, **DYNAMIC))]:
        # The last step is the mean, as in diffusers_samplers.py.
        draw = iter([*draws[: STEPS - 1], torch.zeros_like(start)])
        scheduling_ddpm.randn_tensor = lambda *_, **__: next(draw)
        ddpm = DDPMScheduler(variance_type="fixed_large", **threshold, **NOISING)
        tensors[f"{name}/ddpm/fixed-large"] = run(ddpm, start, lambda s, e, t, x, _: s.step(e, t, x).prev_sample)
        for eta in [0.0, 0.5]:
            for word, clipped in [("ddim", False), ("ddim-clipped", True)]:

                def step(s, e, t, x, k):
                    noise = draws[k] if eta > 0 else None
                    out = s.step(e, t, x, eta=eta, use_clipped_model_output=clipped, variance_noise=noise)
                    return out.prev_sample

                tensors[f"{name}/{word}/{eta}"] = run(DDIMScheduler(**threshold, **NOISING), start, step)

    def multistep(s, e, t, x, k):
        return s.step(e, t, x, variance_noise=draws[k]).prev_sample

    for name, algorithm in [("dpmpp-2m", "dpmsolver++"), ("dpmpp-2m-sde", "sde-dpmsolver++")]:
        scheduler = DPMSolverMultistepScheduler(
            algorithm_type=algorithm, solver_order=2, final_sigmas_type="zero", **DYNAMIC, **NOISING
        )
        tensors[f"dynamic/{name}"] = run(scheduler, start, multistep)
    unipc = UniPCMultistepScheduler(
        solver_order=2, solver_type="bh2", final_sigmas_type="zero", **DYNAMIC, **NOISING
    )
    tensors["dynamic/unipc"] = run(unipc, start, lambda s, e, t, x, _: s.step(e, t, x).prev_sample)

    # Its state is x/alpha, and its two evaluations a step are two timesteps of the list.
    heun = HeunDiscreteScheduler(**CLIP, **NOISING)
    heun.set_timesteps(STEPS)
    x = start / heun.alphas_cumprod[int(heun.timesteps[0])].sqrt()
    for t in heun.timesteps:
        alpha_bar = float(heun.alphas_cumprod[int(t)])
        x = heun.step(epsilon(x * alpha_bar**0.5, alpha_bar), t, x).prev_sample
    tensors["clip/edm"] = x

    path = pathlib.Path(__file__).with_suffix(".safetensors")
    save_file({name: t.flatten(1) if t.dim() == 4 else t for name, t in tensors.items()}, path)


if __name__ == "__main__":
    main()
