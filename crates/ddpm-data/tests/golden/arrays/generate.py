"""Arrays as numpy 2, pandas 3 and safetensors write them: python generate.py"""

import pathlib

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
POINTS = np.array([[0.5, -1.25], [2.0, 3.5], [-0.125, 1e-3]])

np.save(HERE / "double.npy", POINTS)
np.save(HERE / "single.npy", POINTS.astype(np.float32))
np.save(HERE / "big_endian.npy", POINTS.astype(">f8"))
np.save(HERE / "line.npy", POINTS[:, 0].copy())
np.save(HERE / "integers.npy", POINTS.astype(np.int64))
np.save(HERE / "fortran.npy", np.asfortranarray(POINTS))
pd.DataFrame(POINTS, columns=["x", "y"]).to_csv(HERE / "pandas.csv", index=False)
np.savetxt(HERE / "numpy.csv", POINTS, delimiter=",")
save_file({"points": POINTS, "other": POINTS[:1].copy()}, HERE / "two.safetensors")
save_file({"points": POINTS.astype(np.float32)}, HERE / "one.safetensors")
