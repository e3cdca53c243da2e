"""The plain script that native Python is held against: for each line that it reads it groups the objects of a file by pandas, and says how many seconds that took."""

import json
import sys
import time

import pandas as pd

for _ in sys.stdin:
    began = time.perf_counter()
    with open(sys.argv[1], encoding="utf8") as file:
        rows = json.load(file)
    means = pd.DataFrame(rows).groupby("runways")["height"].mean()
    took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "means": means.tolist()}), flush=True)
