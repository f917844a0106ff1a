"""Writes optimizer.json: what PyTorch's optimizers make of given gradients.

Run with PyTorch 2.13: python optimizer.py > optimizer.json

Two tensors, four steps, two parts of a batch a step. Each step averages the parts' gradients, clips their global norm to 1, takes the learning
rate of a linear warm-up over two steps from 0 (the first step moves nothing), and updates an exponential moving average of decay 0.9 that
begins as a copy at the first step.
"""

import json

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

SHAPES = [(3, 4), (5,)]
STEPS, PARTS, WARMUP, CLIP, DECAY = 4, 2, 2, 1.0, 0.9
ADAM = {"lr": 0.05, "betas": (0.9, 0.999), "eps": 1e-8}


class Weights(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.tensors = torch.nn.ParameterList(torch.nn.Parameter(t.clone()) for t in tensors)


def flat(tensors):
    return [t.detach().double().flatten().tolist() for t in tensors]


def run(optimizer_class, start, gradients, **options):
    model = Weights(start)
    weights = list(model.tensors)
    optimizer = optimizer_class(weights, **ADAM, **options)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / WARMUP, 1.0))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    steps = []
    for parts in gradients:
        optimizer.zero_grad()
        for part in parts:
            for weight, gradient in zip(weights, part):
                share = gradient / PARTS
                weight.grad = share if weight.grad is None else weight.grad + share
        norm = torch.nn.utils.clip_grad_norm_(weights, CLIP)
        optimizer.step()
        warmup.step()
        average.update_parameters(model)
        state = [optimizer.state[w] for w in weights]
        steps.append(
            {
                "norm": norm.item(),
                "weights": flat(weights),
                "exp_avg": flat([s["exp_avg"] for s in state]),
                "exp_avg_sq": flat([s["exp_avg_sq"] for s in state]),
                "average": flat(list(average.module.tensors)),
            }
        )
    return steps


def main():
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in SHAPES]
    # The last step is small, so that clipping is seen both at work and at rest.
    scales = [3.0, 1.0, 2.0, 0.05]
    gradients = [[[scale * torch.randn(shape) for shape in SHAPES] for _ in range(PARTS)] for scale in scales]
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "shapes": SHAPES,
                "start": flat(start),
                "gradients": [[flat(part) for part in parts] for parts in gradients],
                "adam": run(torch.optim.Adam, start, gradients),
                "adamw": run(torch.optim.AdamW, start, gradients, weight_decay=0.1),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
