"""Set before anything is imported that looks at it."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may need the network
os.environ["SRL_DISABLE_PLUGINS"] = "mlflow"  # or it records every run of every test
