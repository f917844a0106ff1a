"""Writes timesteps.json: where diffusers' DDPM and DDIM schedulers put N of T timesteps.

    python timesteps.py    # diffusers
"""

import json
import pathlib

from diffusers import DDIMScheduler, DDPMScheduler

out = []
for spacing in ("leading", "linspace", "trailing"):
    for train in (1000, 100, 37):
        for steps in (1, 2, 3, 7, 10, 36):
            rows = []
            for kind in (DDPMScheduler, DDIMScheduler):
                scheduler = kind(train, timestep_spacing=spacing, steps_offset=0)
                scheduler.set_timesteps(steps)
                rows.append(scheduler.timesteps.tolist())
            assert rows[0] == rows[1], (spacing, train, steps)
            out.append({"grid": spacing, "train_steps": train, "timesteps": rows[0]})
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")
