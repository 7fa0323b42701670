"""Log one text."""

from azureml.core import Run

run = Run.get_context()
run.log(name="message", value="Hello from run!")
print("hello")
