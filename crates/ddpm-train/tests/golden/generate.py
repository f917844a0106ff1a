#!/usr/bin/env python3
"""Write objectives.json and gradients.safetensors beside this file: what other implementations make of the same batches.

    generate.py IMPROVED_DIFFUSION     a checkout of github.com/openai/improved-diffusion, which is run, not copied

Versions: see xtask/python/requirements.txt. Weights and inputs follow an integer hash (crates/ddpm-testkit), so that the
files hold outputs only. The networks are diffusers' UNet2DModel; the losses are

    ho2020      diffusers' DDPMScheduler.add_noise and a mean square, with the gradient of every weight
    improved    improved-diffusion's training_losses and calc_bpd_loop; its decoder approximates the normal law by a tanh, so that the
                terms of t = 0 are repeated with scipy's
    weighted    min-SNR (Hang et al. 2023, sec. 3.4) on diffusers' compute_snr, P2 (Choi et al. 2022, eq. 8)
    edm         Karras et al. 2022, table 1 and eq. 8
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.training_utils import compute_snr
from safetensors.torch import save_file
from scipy.special import log_ndtr

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "ddpm-testkit/python"))
from hashed import images, noise, set_weights, uniform  # noqa: E402


def network(config):
    return set_weights(UNet2DModel(**config).eval())


# Ho et al.'s network with fewer channels: four levels, attention at the second on both ways and in the middle.
HO = dict(
    sample_size=16, in_channels=3, out_channels=3, layers_per_block=2, block_out_channels=[4, 8, 8, 8],
    down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"], norm_eps=1e-6, norm_num_groups=2,
    attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
)
SMALL = dict(
    sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=[8, 16],
    down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    norm_num_groups=4, attention_head_dim=None,
)
SHAPE = (4, 3, 8, 8)


def ho2020():
    net = network(HO)
    shape = (4, 3, 16, 16)
    x0, eps, t = images("x0", shape), noise("eps", shape), torch.tensor([0, 17, 500, 999])
    x_t = DDPMScheduler().add_noise(x0, eps, t)
    losses = (net(x_t, t).sample - eps).square().flatten(1).mean(1)
    losses.mean().backward()
    save_file({name: p.grad.contiguous() for name, p in net.named_parameters()}, HERE / "gradients.safetensors")
    return dict(config=HO, t=t.tolist(), losses=losses.tolist(), loss=losses.mean().item())


def exact_decoder(x0, mean, log_variance):
    """-log of the probability of each grey level, mean over an image, in bits."""
    x, mean, std = x0.double().numpy(), mean.double().numpy(), np.exp(0.5 * log_variance.double().numpy())
    low, high = (x - 1 / 255 - mean) / std, (x + 1 / 255 - mean) / std
    low, high = np.where(x < -0.999, -np.inf, low), np.where(x > 0.999, np.inf, high)
    flip = low + high > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    with np.errstate(divide="ignore"):
        log_p = log_ndtr(high) + np.log(-np.expm1(log_ndtr(low) - log_ndtr(high)))
    return -log_p.reshape(len(x), -1).mean(1) / math.log(2)


def improved(checkout):
    sys.path.insert(0, checkout)
    np.int = int  # Its resampler still uses the old name.
    from improved_diffusion import gaussian_diffusion as gd
    from improved_diffusion.resample import LossSecondMomentResampler

    mean_types = dict(epsilon=gd.ModelMeanType.EPSILON, x0=gd.ModelMeanType.START_X)
    var_types = {"fixed-small": gd.ModelVarType.FIXED_SMALL, "fixed-large": gd.ModelVarType.FIXED_LARGE,
                 "learned-range": gd.ModelVarType.LEARNED_RANGE}
    loss_types = dict(simple=gd.LossType.MSE, hybrid=gd.LossType.RESCALED_MSE, vlb=gd.LossType.RESCALED_KL)
    x0, eps = images("x0", SHAPE), noise("eps", SHAPE)
    cases = []
    for schedule, steps, prediction, variance, loss in [
        ("linear", 100, "epsilon", "fixed-large", "simple"),
        ("linear", 100, "epsilon", "fixed-large", "vlb"),
        ("cosine", 40, "x0", "fixed-small", "vlb"),
        ("cosine", 40, "epsilon", "learned-range", "hybrid"),
        ("cosine", 40, "x0", "learned-range", "hybrid"),
        ("linear", 100, "epsilon", "learned-range", "vlb"),
    ]:
        net = network({**SMALL, "out_channels": 6 if variance == "learned-range" else 3})
        model = lambda x, t, net=net: net(x, t).sample
        diffusion = gd.GaussianDiffusion(
            betas=gd.get_named_beta_schedule(schedule, steps), model_mean_type=mean_types[prediction],
            model_var_type=var_types[variance], loss_type=loss_types[loss], rescale_timesteps=False)
        t = torch.tensor([0, 1, steps // 2, steps - 1])
        with torch.no_grad():
            losses = diffusion.training_losses(model, x0, t, noise=eps)["loss"]
            # L_0 with the normal law itself, at every image's lowest level.
            zero = torch.zeros(4, dtype=torch.long)
            x_1 = diffusion.q_sample(x0, zero, noise=eps)
            out = diffusion.p_mean_variance(model, x_1, zero, clip_denoised=False)
            decoder = exact_decoder(x0, out["mean"], out["log_variance"])
            draws = iter([noise(f"bound{k}", SHAPE) for k in reversed(range(steps))])
            randn_like, torch.randn_like = torch.randn_like, lambda x: next(draws)
            bound = diffusion.calc_bpd_loop(model, x0, clip_denoised=True)
            torch.randn_like = randn_like
        # Its columns run from the noisiest level down.
        vb = bound["vb"].flip(1)
        shown = sorted({1, 2, steps // 3, steps // 2, steps - 2, steps - 1})
        cases.append(dict(
            schedule=schedule, steps=steps, prediction=prediction, variance=variance, loss=loss, t=t.tolist(),
            losses=losses.tolist(), decoder=decoder.tolist(), prior=bound["prior_bpd"].tolist(), shown=shown,
            terms=vb[:, shown].tolist(), total_but_decoder=(bound["total_bpd"] - vb[:, 0]).tolist(),
            decoder_by_tanh=vb[:, 0].tolist()))

    resampler = LossSecondMomentResampler(gd.GaussianDiffusion(
        betas=gd.get_named_beta_schedule("cosine", 10), model_mean_type=mean_types["epsilon"],
        model_var_type=var_types["fixed-large"], loss_type=loss_types["simple"]), history_per_term=3, uniform_prob=0.02)
    warm = list(resampler.weights())
    for k in range(40):
        resampler.update_with_all_losses([(k * 7) % 10], [1.5 + uniform("losses", 40)[k]])
    weights = resampler.weights()
    return dict(cases=cases, resampler=dict(before=warm, after=(weights / weights.sum()).tolist()))


def weighted():
    net = network(SMALL)
    x0, eps, t = images("x0", SHAPE), noise("eps", SHAPE), torch.tensor([0, 30, 400, 999])
    cases = []
    for name, terminal in [("linear", False), ("squaredcos_cap_v2", False), ("linear", True)]:
        scheduler = DDPMScheduler(beta_schedule=name, rescale_betas_zero_snr=terminal)
        snr = compute_snr(scheduler, t).double()
        x_t = scheduler.add_noise(x0, eps, t)
        velocity = scheduler.get_velocity(x0, eps, t)
        with torch.no_grad():
            output = net(x_t, t).sample
        square = lambda target: (output - target).double().square().flatten(1).mean(1)
        capped = snr.clamp(max=5.0)
        losses = {
            "min-snr v": square(velocity) * capped / (snr + 1),
            "min-snr x0": square(x0) * capped,
            "p2 v": square(velocity) * snr / (1 + snr) / (1 + snr) ** 0.5,
        }
        if not terminal:
            losses["min-snr epsilon"] = square(eps) * capped / snr
            losses["p2 epsilon"] = square(eps) / (1 + snr) ** 0.5
        cases.append(dict(schedule=name, zero_terminal_snr=terminal, t=t.tolist(),
                          losses={key: value.tolist() for key, value in losses.items()}))
    return cases


def edm():
    net = network(SMALL)
    y, n = images("x0", SHAPE), noise("eps", SHAPE)
    sigma_data, sigma = 0.5, torch.tensor([0.002, 0.1, 0.9, 60.0], dtype=torch.float64)
    s = sigma.reshape(-1, 1, 1, 1)
    total = s**2 + sigma_data**2
    x = (y.double() + s * n.double())
    with torch.no_grad():
        f = net((x / total.sqrt()).float(), (sigma.log() / 4).float()).sample.double()
    denoised = sigma_data**2 / total * x + s * sigma_data / total.sqrt() * f
    losses = (total / (s * sigma_data) ** 2 * (denoised - y.double()) ** 2).flatten(1).mean(1)
    return dict(sigma=sigma.tolist(), losses=losses.tolist())


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden = dict(ho2020=ho2020(), improved=improved(sys.argv[1]), weighted=weighted(), edm=edm(), small=SMALL)
    (HERE / "objectives.json").write_text(json.dumps(golden) + "\n")
