#!/usr/bin/env python3
"""Write scheduler_classes.json beside this file: the defaults of every scheduler class of diffusers, read from its source.

Versions: see xtask/python/requirements.txt. diffusers is not imported, so that no other package is needed.
"""
import ast
import importlib.util
import json
import pathlib

HERE = pathlib.Path(__file__).parent
KEYS = [
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type", "timestep_spacing", "steps_offset",
    "clip_sample", "clip_sample_range", "thresholding", "dynamic_thresholding_ratio", "sample_max_value",
]


def defaults(function):
    names = [argument.arg for argument in function.args.args]
    values = function.args.defaults
    given = dict(zip(names[len(names) - len(values):], values))
    return {key: ast.literal_eval(given[key]) for key in KEYS if key in given}


def classes(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Scheduler"):
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    yield node.name, defaults(function)


if __name__ == "__main__":
    folder = pathlib.Path(importlib.util.find_spec("diffusers").origin).parent / "schedulers"
    files = sorted(path for path in folder.rglob("scheduling_*.py") if "flax" not in path.name)
    found = dict(item for path in files for item in classes(path))
    (HERE / "scheduler_classes.json").write_text(json.dumps(dict(sorted(found.items())), indent=0) + "\n")
