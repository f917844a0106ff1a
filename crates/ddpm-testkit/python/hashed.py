"""Weights and inputs that follow an integer hash, for the generators of golden files.

crates/ddpm-testkit/src/hashed.rs computes the same numbers, so that golden files hold outputs only. A generator adds this
folder to sys.path. `python hashed.py` prints the values that the Rust test compares with.
"""
import numpy as np


def fnv1a(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def uniform(name, count):
    """Numbers in [-1, 1), each a function of the name and of its position alone."""
    k = np.arange(count, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    h = (k * np.uint64(0x9E3779B1) + np.uint64(fnv1a(name))) & mask
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x85EBCA6B)) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0xC2B2AE35)) & mask
    h ^= h >> np.uint64(16)
    return h.astype(np.float64) / 2**31 - 1.0


def _tensor(values, shape):
    import torch

    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def weight(name, shape):
    """A network's parameter of the given name and shape."""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) == 1:
        return _tensor(0.1 * u + (1.0 if name.endswith("weight") else 0.0), shape)
    return _tensor(u * np.sqrt(3.0 / np.prod(shape[1:])), shape)


def noise(name, shape):
    return _tensor(1.7 * uniform(name, int(np.prod(shape))), shape)


def images(name, shape):
    """Grey levels 0..255, scaled to [-1, 1]."""
    levels = np.floor((uniform(name, int(np.prod(shape))) + 1) * 128)
    return _tensor(levels / 127.5 - 1, shape)


def set_weights(network):
    """Give a PyTorch module the weights that belong to its parameters' names."""
    network.load_state_dict({key: weight(key, tuple(value.shape)) for key, value in network.state_dict().items()})
    return network


def keys(network):
    """Name and shape of each parameter of a PyTorch module, sorted by name."""
    return [f"{key} {list(value.shape)}" for key, value in sorted(network.state_dict().items())]


if __name__ == "__main__":
    print([round(float(u), 6) for u in uniform("x", 4)])
