"""Imports synthetic checkpoints of other codes and compares what the folders answer with what those codes answer.

    python import_checkpoints.py FOLDER

improved-diffusion's answers are golden (../golden/improved_diffusion.py); Ho et al.'s network is written out below, operation by operation, in
the layouts and the padding of TensorFlow. FOLDER receives the imported pipelines, each with its input and expected output for `ddpm denoise`.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMPipeline, DDPMScheduler
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[3] / "tools"), str(HERE.parent / "golden")]
import import_checkpoint as tool  # noqa: E402
from improved_diffusion import inputs, weights  # noqa: E402

TOLERANCE = 2e-5


def convert(*arguments):
    args = tool.parse([str(argument) for argument in arguments])
    args.body(args)


def refused(text, *arguments):
    try:
        convert(*arguments)
    except tool.Refused as error:
        assert text in str(error) and "\n" not in str(error), error
    else:
        raise AssertionError(f"not refused: {arguments}")


def compare(folder, x, t, expected):
    pipeline = DDPMPipeline.from_pretrained(folder)
    with torch.no_grad():
        got = pipeline.unet.eval()(torch.from_numpy(x), torch.from_numpy(t)).sample
    error = ((got - expected).abs().max() / expected.abs().max()).item()
    assert error < TOLERANCE, f"{folder}: differs by {error}"
    if expected.shape[1] == x.shape[1]:
        save_file({"x": torch.from_numpy(x), "t": torch.from_numpy(t)}, folder / "input.safetensors")
        save_file({"eps": expected.contiguous()}, folder / "expected.safetensors")
    return pipeline


def improved(folder):
    golden = json.loads((HERE.parent / "golden" / "improved_diffusion.json").read_text())
    x, t = inputs(2, 8)
    shape = ["--image-size", "8", "--num-channels", "32"]
    for k, (name, case) in enumerate(golden["networks"].items()):
        state = {key: torch.from_numpy(value) for key, value in weights(case["parameters"]).items()}
        source = folder / f"improved-{k}.pt"
        torch.save(state, source)
        out = folder / f"improved-{k}"
        convert("improved-diffusion", source, out, *shape, *case["options"])
        expected = torch.tensor(case["output"]).reshape(2, -1, 8, 8)
        pipeline = compare(out, x, t, expected)
        learned = "--learn-sigma" in case["options"]
        assert pipeline.scheduler.config.variance_type == ("learned_range" if learned else "fixed_large"), name

        again = [source, folder / "again", *shape, *case["options"]]
        refused("exists already", "improved-diffusion", source, out, *shape, *case["options"])
        refused("--class-cond", "improved-diffusion", *again, "--class-cond")
        refused("is missing", "improved-diffusion", *again, "--num-res-blocks", "2")
        torch.save(state | {"label_emb.weight": torch.zeros(10, 128)}, folder / "more.pt")
        refused("1 variables have no place", "improved-diffusion", folder / "more.pt", *again[1:])
    refused("heads of different widths", "improved-diffusion", *again, "--num-heads", "2")
    assert not (folder / "again").exists()

    for kind in ("linear", "cosine"):
        for steps, more in ((1000, []), (4000, ["--no-rescale-timesteps"]), (4000, [])):
            out = folder / f"schedule-{kind}-{steps}{''.join(more)}"
            options = [*shape, *case["options"], "--noise-schedule", kind, "--diffusion-steps", steps, *more]
            convert("improved-diffusion", source, out, *options)
            alpha_bar = DDPMScheduler.from_pretrained(out / "scheduler").alphas_cumprod.double().numpy()
            # With rescaled timesteps every fourth level is there, and the network's time 100 is level 400.
            assert len(alpha_bar) == (4000 if more else 1000)
            tenths = alpha_bar[:: len(alpha_bar) // 10]
            np.testing.assert_allclose(tenths, golden["alpha_bar"][f"{kind} {steps}"], rtol=4e-4)


# Ho et al.'s network (diffusion_tf/models/unet.py, nn.py): images [n, h, w, c].


def tf_conv(w, name, x, stride=1):
    kernel = torch.from_numpy(w[f"{name}/W"])
    # SAME: as much padding as the strides leave over, the odd one behind.
    total = max((math.ceil(x.shape[1] / stride) - 1) * stride + kernel.shape[0] - x.shape[1], 0)
    padded = F.pad(x.permute(0, 3, 1, 2), (total // 2, total - total // 2) * 2)
    y = F.conv2d(padded, kernel.permute(3, 2, 0, 1), stride=stride).permute(0, 2, 3, 1)
    return y + torch.from_numpy(w[f"{name}/b"])


def tf_dense(w, name, x):
    return x @ torch.from_numpy(w[f"{name}/W"]) + torch.from_numpy(w[f"{name}/b"])


def tf_norm(w, name, x):
    n, height, width, channels = x.shape
    groups = x.reshape(n, height, width, 32, channels // 32)
    mean = groups.mean((1, 2, 4), keepdim=True)
    variance = groups.var((1, 2, 4), unbiased=False, keepdim=True)
    flat = ((groups - mean) / torch.sqrt(variance + 1e-6)).reshape(x.shape)
    return flat * torch.from_numpy(w[f"{name}/gamma"]) + torch.from_numpy(w[f"{name}/beta"])


def tf_block(w, name, x, temb):
    h = tf_conv(w, f"{name}/conv1", F.silu(tf_norm(w, f"{name}/norm1", x)))
    h = h + tf_dense(w, f"{name}/temb_proj", F.silu(temb))[:, None, None, :]
    h = tf_conv(w, f"{name}/conv2", F.silu(tf_norm(w, f"{name}/norm2", h)))
    return (tf_dense(w, f"{name}/nin_shortcut", x) if f"{name}/nin_shortcut/W" in w else x) + h


def tf_attention(w, name, x):
    h = tf_norm(w, f"{name}/norm", x)
    q, k, v = (tf_dense(w, f"{name}/{part}", h) for part in "qkv")
    scores = torch.einsum("bhwc,bHWc->bhwHW", q, k) * x.shape[3] ** -0.5
    shares = scores.flatten(3).softmax(-1).reshape(scores.shape)
    return x + tf_dense(w, f"{name}/proj_out", torch.einsum("bhwHW,bHWc->bhwc", shares, v))


def tf_network(w, x, t, levels, blocks, attended):
    channels = w["conv_in/W"].shape[3]
    half = channels // 2
    angles = t.float()[:, None] * torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))[None]
    temb = tf_dense(w, "temb/dense0", torch.cat([angles.sin(), angles.cos()], 1))
    temb = tf_dense(w, "temb/dense1", F.silu(temb))
    hs = [tf_conv(w, "conv_in", x)]
    for level in range(levels):
        for b in range(blocks):
            h = tf_block(w, f"down_{level}/block_{b}", hs[-1], temb)
            hs.append(tf_attention(w, f"down_{level}/attn_{b}", h) if level in attended else h)
        if level + 1 < levels:
            hs.append(tf_conv(w, f"down_{level}/downsample/conv", hs[-1], 2))
    h = tf_block(w, "mid/block_1", hs[-1], temb)
    h = tf_block(w, "mid/block_2", tf_attention(w, "mid/attn_1", h), temb)
    for level in reversed(range(levels)):
        for b in range(blocks + 1):
            h = tf_block(w, f"up_{level}/block_{b}", torch.cat([h, hs.pop()], 3), temb)
            h = tf_attention(w, f"up_{level}/attn_{b}", h) if level in attended else h
        if level:
            h = tf_conv(w, f"up_{level}/upsample/conv", h.repeat_interleave(2, 1).repeat_interleave(2, 2))
    return tf_conv(w, "conv_out", F.silu(tf_norm(w, "norm_out", h)))


def tf_shapes(channels, multipliers, blocks, attended):
    """Names and shapes of the variables, in the order of the graph."""
    shapes = []

    def layer(name, *shape):
        shapes.extend([(f"{name}/W", shape), (f"{name}/b", shape[-1:])])

    def norm(name, width):
        shapes.extend([(f"{name}/gamma", (width,)), (f"{name}/beta", (width,))])

    def block(name, into, out):
        norm(f"{name}/norm1", into)
        layer(f"{name}/conv1", 3, 3, into, out)
        layer(f"{name}/temb_proj", 4 * channels, out)
        norm(f"{name}/norm2", out)
        layer(f"{name}/conv2", 3, 3, out, out)
        if into != out:
            layer(f"{name}/nin_shortcut", into, out)

    def attention(name, width):
        norm(f"{name}/norm", width)
        for part in ("q", "k", "v", "proj_out"):
            layer(f"{name}/{part}", width, width)

    layer("temb/dense0", channels, 4 * channels)
    layer("temb/dense1", 4 * channels, 4 * channels)
    layer("conv_in", 3, 3, 3, channels)
    width, skips = channels, [channels]
    for level, multiplier in enumerate(multipliers):
        for b in range(blocks):
            block(f"down_{level}/block_{b}", width, channels * multiplier)
            width = channels * multiplier
            if level in attended:
                attention(f"down_{level}/attn_{b}", width)
            skips.append(width)
        if level + 1 < len(multipliers):
            layer(f"down_{level}/downsample/conv", 3, 3, width, width)
            skips.append(width)
    block("mid/block_1", width, width)
    attention("mid/attn_1", width)
    block("mid/block_2", width, width)
    for level in reversed(range(len(multipliers))):
        for b in range(blocks + 1):
            block(f"up_{level}/block_{b}", width + skips.pop(), channels * multipliers[level])
            width = channels * multipliers[level]
            if level in attended:
                attention(f"up_{level}/attn_{b}", width)
        if level:
            layer(f"up_{level}/upsample/conv", 3, 3, width, width)
    norm("norm_out", width)
    layer("conv_out", 3, 3, width, 3)
    return shapes


def ho(folder):
    attended = {1}
    made = weights(tf_shapes(32, (1, 2), 1, attended))
    averaged = {name: 0.9 * value for name, value in made.items()}
    ending = "/ExponentialMovingAverage"
    file = {f"model/{name}": value for name, value in made.items()}
    file |= {f"model/{name}{ending}": value for name, value in averaged.items()}
    file |= {f"model/{name}/Adam": value for name, value in made.items()} | {"global_step": np.array(7)}
    source = folder / "ho.npz"
    np.savez(source, **{name.replace("/", "|"): value for name, value in file.items()})
    x, t = inputs(2, 8)
    for name, variables, more in (("ho-average", averaged, []), ("ho-raw", made, ["--raw"])):
        out = folder / name
        convert("ho2020", source, out, "--image-size", "8", *more)
        nhwc = torch.from_numpy(x).permute(0, 2, 3, 1)
        expected = tf_network(variables, nhwc, torch.from_numpy(t), 2, 1, attended).permute(0, 3, 1, 2)
        compare(out, x, t, expected)
    np.savez(folder / "empty.npz", step=np.array(1))
    refused("expected a checkpoint of Ho et al.'s network", "ho2020", folder / "empty.npz", folder / "no", "--image-size", "8")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    improved(target)
    ho(target)
