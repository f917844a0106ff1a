"""Writes TorchScript modules into a folder: a stand-in with the signature of the published Inception network, and others.

Usage: python feature_modules.py DIR
"""

import os
import sys

import torch


class Inception(torch.nn.Module):
    """2048 features: the means of the channels, repeated, and a layer of 10 classes."""

    def __init__(self):
        super().__init__()
        self.output = torch.nn.Linear(2048, 10)

    def forward(self, img: torch.Tensor, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False):
        assert img.dtype == torch.uint8 and img.shape[1] == 3
        x = img.to(torch.float32).mean([2, 3]).repeat(1, 683)[:, :2048]
        if return_features:
            return x
        return self.output(x).softmax(1)


class Mean(torch.nn.Module):
    def forward(self, img: torch.Tensor):
        return img.to(torch.float32).mean([2, 3])


class WrongShape(torch.nn.Module):
    def forward(self, img: torch.Tensor):
        return img.to(torch.float32)


class Raises(torch.nn.Module):
    def forward(self, img: torch.Tensor):
        assert img.shape[2] == 299, "expected images of 299 pixels"
        return img.to(torch.float32).mean([2, 3])


torch.manual_seed(0)
for name, module in [("inception", Inception()), ("mean", Mean()), ("wrong_shape", WrongShape()), ("raises", Raises())]:
    torch.jit.script(module.eval()).save(os.path.join(sys.argv[1], f"{name}.pt"))
