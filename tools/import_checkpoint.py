#!/usr/bin/env python3
"""Converts checkpoints of other codes to diffusers pipeline folders, which `ddpm` and diffusers load. Writes safetensors, never pickle.

    python tools/import_checkpoint.py improved-diffusion ema_0.9999_500000.pt OUT --image-size 32 --num-channels 128 \\
        --num-res-blocks 3 --num-heads 4 --learn-sigma --diffusion-steps 4000 --noise-schedule cosine
    python tools/import_checkpoint.py ho2020 model.ckpt-790000 OUT --image-size 32

improved-diffusion (Nichol & Dhariwal 2021; PyTorch zip files): give the options with which the model was trained; the defaults are those of that code.
What a pipeline folder cannot represent is refused with its name: class conditioning (there is no null class), attention at levels of different width with several
heads, super-resolution models, and layers without learned resampling.
With `rescale_timesteps` the input of the network is 1000 t / T. The folder then holds the process of every (T / 1000)-th level, where this input
is a whole number.

ho2020 (Ho et al. 2020; TensorFlow): a checkpoint's prefix, read with TensorFlow if it is installed, or an .npz of its variables:

    r = tf.train.load_checkpoint(prefix)
    numpy.savez("model.npz", **{n.replace("/", "|"): r.get_tensor(n) for n in r.get_variable_to_shape_map()})

The averaged weights are used where the file has them (`--raw` uses the others).

Needs numpy and safetensors; torch for improved-diffusion.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import numpy as np

DIFFUSERS_VERSION = "0.42.1"


class Refused(Exception):
    """A checkpoint that cannot be imported; the text is one line."""


# ---------------------------------------------------------------------------------------------------------------- shared by both


def unet_config(image_size, channels, out_channels, widths, blocks, attended, **more):
    """UNet2DModel's configuration; `attended` says for each level, the finest first, whether it has attention."""
    return {
        "_class_name": "UNet2DModel",
        "_diffusers_version": DIFFUSERS_VERSION,
        "act_fn": "silu",
        "add_attention": True,
        "block_out_channels": widths,
        "center_input_sample": False,
        "down_block_types": ["AttnDownBlock2D" if a else "DownBlock2D" for a in attended],
        "downsample_type": "conv",
        "in_channels": channels,
        "layers_per_block": blocks,
        "mid_block_scale_factor": 1,
        "norm_num_groups": 32,
        "out_channels": out_channels,
        "sample_size": image_size,
        "time_embedding_type": "positional",
        "up_block_types": ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attended)],
        "upsample_type": "conv",
        **more,
    }


def scheduler_config(steps, variance, prediction="epsilon", **betas):
    return {
        "_class_name": "DDPMScheduler",
        "_diffusers_version": DIFFUSERS_VERSION,
        "clip_sample": True,
        "num_train_timesteps": steps,
        "prediction_type": prediction,
        "variance_type": variance,
        **betas,
    }


def write(folder, config, scheduler, tensors):
    from safetensors.numpy import save_file

    folder = Path(folder)
    if folder.exists():
        raise Refused(f"{folder}: exists already; name a folder that does not")
    partial = folder.with_name(f".{folder.name}.partial")
    for part in ("unet", "scheduler"):
        (partial / part).mkdir(parents=True, exist_ok=True)
    index = {
        "_class_name": "DDPMPipeline",
        "_diffusers_version": DIFFUSERS_VERSION,
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    for name, value in (
        ("model_index.json", index),
        ("unet/config.json", config),
        ("scheduler/scheduler_config.json", scheduler),
    ):
        (partial / name).write_text(json.dumps(value, indent=2) + "\n")
    arrays = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in tensors.items()}
    save_file(arrays, partial / "unet" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    partial.rename(folder)


class Source:
    """Named arrays, each of which must be used exactly once."""

    def __init__(self, arrays, place):
        self.arrays = dict(arrays)
        self.place = place

    def take(self, name):
        if name not in self.arrays:
            raise Refused(f"{self.place}: variable {name} is missing; check the options that describe the network")
        return np.asarray(self.arrays.pop(name))

    def finish(self):
        if self.arrays:
            rest = sorted(self.arrays)
            raise Refused(
                f"{self.place}: {len(rest)} variables have no place in this network, such as {rest[0]}; "
                "check the options that describe it"
            )


# ---------------------------------------------------------------------------------------------------------------------- improved-diffusion


def improved_betas(kind, steps):
    """improved_diffusion.gaussian_diffusion.get_named_beta_schedule."""
    if kind == "linear":
        scale = 1000 / steps
        return np.linspace(scale * 1e-4, scale * 0.02, steps, dtype=np.float64)
    alpha_bar = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2  # noqa: E731
    return np.array([min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), 0.999) for i in range(steps)])


def improved_scheduler(args):
    if args.learn_sigma:
        variance = "learned_range"
    else:
        variance = "fixed_small" if args.sigma_small else "fixed_large"
    prediction = "sample" if args.predict_xstart else "epsilon"
    steps = args.diffusion_steps
    if args.rescale_timesteps and steps != 1000:
        if steps % 1000:
            raise Refused(f"--diffusion-steps {steps} with rescaled timesteps: expected a multiple of 1000")
        # The network is given 1000 t / T: at every (T / 1000)-th level that is a whole number.
        alpha_bar = np.cumprod(1 - improved_betas(args.noise_schedule, steps))[:: steps // 1000]
        betas = 1 - alpha_bar / np.concatenate([[1.0], alpha_bar[:-1]])
        return scheduler_config(1000, variance, prediction, trained_betas=betas.tolist())
    if args.noise_schedule == "linear":
        scale = 1000 / steps
        named = {"beta_schedule": "linear", "beta_start": scale * 1e-4, "beta_end": scale * 0.02}
    else:
        named = {"beta_schedule": "squaredcos_cap_v2"}
    return scheduler_config(steps, variance, prediction, **named)


def improved_widths(args):
    if args.channel_mult:
        multipliers = [int(m) for m in args.channel_mult.split(",")]
    else:
        known = {256: [1, 1, 2, 2, 4, 4], 64: [1, 2, 3, 4], 32: [1, 2, 2, 2]}
        if args.image_size not in known:
            raise Refused(f"--image-size {args.image_size}: expected 32, 64 or 256, or --channel-mult")
        multipliers = known[args.image_size]
    return [m * args.num_channels for m in multipliers]


def improved_config(args):
    if args.class_cond:
        raise Refused("--class-cond: there is no null class in these models; class-conditional ones are not imported")
    if args.num_heads_upsample not in (-1, args.num_heads):
        raise Refused("--num-heads-upsample: another number of heads on the way up is not supported")
    widths = improved_widths(args)
    resolutions = {int(r) for r in args.attention_resolutions.split(",") if r}
    attended = [args.image_size >> level in resolutions for level in range(len(widths))]
    at = {width for width, a in zip(widths, attended) if a} | {widths[-1]}
    if args.num_heads > 1 and len(at) > 1:
        raise Refused(f"--num-heads {args.num_heads}: attention at widths {sorted(at)} gives heads of different widths")
    return unet_config(
        args.image_size,
        3,
        6 if args.learn_sigma else 3,
        widths,
        args.num_res_blocks,
        attended,
        attention_head_dim=None if args.num_heads == 1 else widths[-1] // args.num_heads,
        attn_norm_num_groups=32,
        downsample_padding=1,
        dropout=args.dropout,
        flip_sin_to_cos=True,
        freq_shift=0,
        norm_eps=1e-5,
        resnet_time_scale_shift="scale_shift" if args.use_scale_shift_norm else "default",
    )


def improved_tensors(state, config, heads, place):
    source = Source(state, place)
    tensors = {}

    def layer(ours, theirs, squeeze=False):
        for part in ("weight", "bias"):
            array = source.take(f"{theirs}.{part}")
            tensors[f"{ours}.{part}"] = array[..., 0] if squeeze and part == "weight" else array

    def block(ours, theirs, shortcut):
        layer(f"{ours}.norm1", f"{theirs}.in_layers.0")
        layer(f"{ours}.conv1", f"{theirs}.in_layers.2")
        layer(f"{ours}.time_emb_proj", f"{theirs}.emb_layers.1")
        layer(f"{ours}.norm2", f"{theirs}.out_layers.0")
        layer(f"{ours}.conv2", f"{theirs}.out_layers.3")
        if shortcut:
            layer(f"{ours}.conv_shortcut", f"{theirs}.skip_connection")

    def attention(ours, theirs):
        layer(f"{ours}.group_norm", f"{theirs}.norm")
        layer(f"{ours}.to_out.0", f"{theirs}.proj_out", squeeze=True)
        for part in ("weight", "bias"):
            rows = source.take(f"{theirs}.qkv.{part}")
            rows = rows[..., 0] if part == "weight" else rows
            # The heads follow each other, each with its queries, keys and values.
            split = rows.reshape(heads, 3, rows.shape[0] // (3 * heads), *rows.shape[1:])
            for k, name in enumerate(("to_q", "to_k", "to_v")):
                tensors[f"{ours}.{name}.{part}"] = split[:, k].reshape(-1, *rows.shape[1:])

    widths, blocks = config["block_out_channels"], config["layers_per_block"]
    attended = [kind.startswith("Attn") for kind in config["down_block_types"]]
    layer("time_embedding.linear_1", "time_embed.0")
    layer("time_embedding.linear_2", "time_embed.2")
    layer("conv_in", "input_blocks.0.0")
    index, width, skips = 1, widths[0], [widths[0]]
    for level, out in enumerate(widths):
        for b in range(blocks):
            block(f"down_blocks.{level}.resnets.{b}", f"input_blocks.{index}.0", width != out)
            if attended[level]:
                attention(f"down_blocks.{level}.attentions.{b}", f"input_blocks.{index}.1")
            width = out
            skips.append(width)
            index += 1
        if level + 1 < len(widths):
            layer(f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{index}.0.op")
            skips.append(width)
            index += 1
    block("mid_block.resnets.0", "middle_block.0", False)
    attention("mid_block.attentions.0", "middle_block.1")
    block("mid_block.resnets.1", "middle_block.2", False)
    index = 0
    for up, level in enumerate(reversed(range(len(widths)))):
        for b in range(blocks + 1):
            into = width + skips.pop()
            block(f"up_blocks.{up}.resnets.{b}", f"output_blocks.{index}.0", into != widths[level])
            width = widths[level]
            if attended[level]:
                attention(f"up_blocks.{up}.attentions.{b}", f"output_blocks.{index}.1")
            if level and b == blocks:
                place_of = 2 if attended[level] else 1
                layer(f"up_blocks.{up}.upsamplers.0.conv", f"output_blocks.{index}.{place_of}.conv")
            index += 1
    layer("conv_norm_out", "out.0")
    layer("conv_out", "out.2")
    source.finish()
    return tensors


def import_improved(args):
    import torch

    # weights_only: reads tensors and runs no code.
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    config = improved_config(args)
    arrays = {name: tensor.float().numpy() for name, tensor in state.items()}
    write(args.out, config, improved_scheduler(args), improved_tensors(arrays, config, args.num_heads, args.checkpoint))


# ---------------------------------------------------------------------------------------------------------------------------- Ho et al. 2020

AVERAGE = "/ExponentialMovingAverage"


def tensorflow_variables(path):
    if str(path).endswith(".npz"):
        with np.load(path) as file:
            return {name.replace("|", "/"): file[name] for name in file.files}
    try:
        import tensorflow as tf
    except ImportError:
        raise Refused(f"{path}: TensorFlow is not installed here; save the variables as .npz where it is (see --help)") from None
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def ho_weights(variables, raw, place):
    """The variables of the network by their name below `model/`, averaged weights where the file has them."""
    averaged = any(name.endswith(AVERAGE) for name in variables)
    ending = AVERAGE if averaged and not raw else ""
    layer = re.compile(r"(?:^|.*/)model/((?:.*/)?(?:W|b|gamma|beta))" + re.escape(ending) + "$")
    found = {match[1]: array for name, array in variables.items() if (match := layer.match(name))}
    if not found:
        raise Refused(f"{place}: no variable model/.../W{ending}; expected a checkpoint of Ho et al.'s network")
    return found


def ho_config(weights, image_size):
    width = weights["conv_in/W"].shape[3]
    levels = 1 + max(int(m[1]) for name in weights if (m := re.match(r"down_(\d+)/", name)))
    blocks = 1 + max(int(m[1]) for name in weights if (m := re.match(r"down_0/block_(\d+)/", name)))
    widths = [weights[f"down_{level}/block_0/conv1/W"].shape[3] for level in range(levels)]
    attended = [f"down_{level}/attn_0/q/W" in weights for level in range(levels)]
    if any(f"down_{level}/downsample/conv/W" not in weights for level in range(levels - 1)):
        raise Refused("resamp_with_conv=False: average pooling instead of convolutions is not supported")
    if widths[0] != width:
        raise Refused(f"the first level has {widths[0]} channels and conv_in {width}; a first multiplier other than 1 is not supported")
    return unet_config(
        image_size,
        weights["conv_in/W"].shape[2],
        weights["conv_out/W"].shape[3],
        widths,
        blocks,
        attended,
        attention_head_dim=None,
        downsample_padding=0,
        dropout=0.1,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
    )


def ho_tensors(weights, config, place):
    source = Source(weights, place)
    tensors = {}

    def layer(ours, theirs, as_convolution=False):
        array = source.take(f"{theirs}/W")
        # Convolutions: [height, width, in, out]; matrices: [in, out].
        weight = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        tensors[f"{ours}.weight"] = weight[:, :, None, None] if as_convolution else weight
        tensors[f"{ours}.bias"] = source.take(f"{theirs}/b")

    def norm(ours, theirs):
        # tf.contrib.layers.group_norm keeps its vectors as [1, 1, 1, groups, channels of a group] in some releases.
        tensors[f"{ours}.weight"] = source.take(f"{theirs}/gamma").reshape(-1)
        tensors[f"{ours}.bias"] = source.take(f"{theirs}/beta").reshape(-1)

    def block(ours, theirs):
        norm(f"{ours}.norm1", f"{theirs}/norm1")
        layer(f"{ours}.conv1", f"{theirs}/conv1")
        layer(f"{ours}.time_emb_proj", f"{theirs}/temb_proj")
        norm(f"{ours}.norm2", f"{theirs}/norm2")
        layer(f"{ours}.conv2", f"{theirs}/conv2")
        if f"{theirs}/nin_shortcut/W" in source.arrays:
            layer(f"{ours}.conv_shortcut", f"{theirs}/nin_shortcut", as_convolution=True)

    def attention(ours, theirs):
        norm(f"{ours}.group_norm", f"{theirs}/norm")
        for mine, name in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
            layer(f"{ours}.{mine}", f"{theirs}/{name}")

    levels, blocks = len(config["block_out_channels"]), config["layers_per_block"]
    attended = [kind.startswith("Attn") for kind in config["down_block_types"]]
    layer("time_embedding.linear_1", "temb/dense0")
    layer("time_embedding.linear_2", "temb/dense1")
    layer("conv_in", "conv_in")
    for level in range(levels):
        for b in range(blocks):
            block(f"down_blocks.{level}.resnets.{b}", f"down_{level}/block_{b}")
            if attended[level]:
                attention(f"down_blocks.{level}.attentions.{b}", f"down_{level}/attn_{b}")
        if level + 1 < levels:
            layer(f"down_blocks.{level}.downsamplers.0.conv", f"down_{level}/downsample/conv")
    block("mid_block.resnets.0", "mid/block_1")
    attention("mid_block.attentions.0", "mid/attn_1")
    block("mid_block.resnets.1", "mid/block_2")
    for up, level in enumerate(reversed(range(levels))):
        for b in range(blocks + 1):
            block(f"up_blocks.{up}.resnets.{b}", f"up_{level}/block_{b}")
            if attended[level]:
                attention(f"up_blocks.{up}.attentions.{b}", f"up_{level}/attn_{b}")
        if level:
            layer(f"up_blocks.{up}.upsamplers.0.conv", f"up_{level}/upsample/conv")
    norm("conv_norm_out", "norm_out")
    layer("conv_out", "conv_out")
    source.finish()
    return tensors


def import_ho(args):
    weights = ho_weights(tensorflow_variables(args.checkpoint), args.raw, args.checkpoint)
    if "conv_in/W" not in weights or "conv_out/W" not in weights:
        raise Refused(f"{args.checkpoint}: has no conv_in or conv_out; expected a checkpoint of Ho et al.'s network")
    config = ho_config(weights, args.image_size)
    scheduler = scheduler_config(1000, "fixed_large", beta_schedule="linear", beta_start=1e-4, beta_end=0.02)
    write(args.out, config, scheduler, ho_tensors(weights, config, args.checkpoint))


# --------------------------------------------------------------------------------------------------------------------------- command line


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True, metavar="KIND")

    def kind(name, body, text):
        sub = kinds.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        sub.add_argument("checkpoint", help="the file, or a TensorFlow checkpoint's prefix")
        sub.add_argument("out", help="the folder to make")
        sub.set_defaults(body=body)
        return sub

    improved = kind("improved-diffusion", import_improved, "PyTorch file of openai/improved-diffusion")
    switch = argparse.BooleanOptionalAction
    improved.add_argument("--image-size", type=int, default=64)
    improved.add_argument("--num-channels", type=int, default=128)
    improved.add_argument("--channel-mult", default="", help="such as 1,2,2,2; else by the image size")
    improved.add_argument("--num-res-blocks", type=int, default=2)
    improved.add_argument("--num-heads", type=int, default=4)
    improved.add_argument("--num-heads-upsample", type=int, default=-1)
    improved.add_argument("--attention-resolutions", default="16,8")
    improved.add_argument("--dropout", type=float, default=0.0)
    improved.add_argument("--learn-sigma", action=switch, default=False)
    improved.add_argument("--sigma-small", action=switch, default=False)
    improved.add_argument("--class-cond", action=switch, default=False)
    improved.add_argument("--diffusion-steps", type=int, default=1000)
    improved.add_argument("--noise-schedule", choices=["linear", "cosine"], default="linear")
    improved.add_argument("--predict-xstart", action=switch, default=False)
    improved.add_argument("--rescale-timesteps", action=switch, default=True)
    improved.add_argument("--use-scale-shift-norm", action=switch, default=True)

    ho = kind("ho2020", import_ho, "TensorFlow checkpoint of hojonathanho/diffusion, or .npz of its variables")
    ho.add_argument("--image-size", type=int, required=True)
    ho.add_argument("--raw", action="store_true", help="take the weights themselves, not their average")
    return parser.parse_args(arguments)


def main():
    args = parse(sys.argv[1:])
    try:
        args.body(args)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(args.out)


if __name__ == "__main__":
    main()
