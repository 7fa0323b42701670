"""Wait for longer than anybody will, without a word to azureml."""

import time

print("Wait for it...", flush=True)
time.sleep(120)
