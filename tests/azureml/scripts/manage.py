"""Start, submit, find, label, fail and cancel runs, and restore the source of one."""

import os
import time
import zipfile

from azureml.core import Experiment, Run, ScriptRunConfig, Workspace

ws = Workspace.from_config()
exp = Experiment(workspace=ws, name="manage-runs")

# Interactive runs
notebook_run = exp.start_logging()
notebook_run.log(name="message", value="Hello from run!")
assert notebook_run.get_status() == "Running"
assert notebook_run.get_details()["runId"] == notebook_run.id
notebook_run.complete()
assert notebook_run.get_status() == "Completed"
with exp.start_logging() as run:
    run.log(name="message", value="Hello again")
    assert run.get_status() == "Running"
assert run.get_status() == "Completed"

# A submitted script, without an environment
with open(".amlignore", "w") as file:
    file.write("*.txt\nworkspace\n")
local_run = exp.submit(ScriptRunConfig(source_directory=".", script="hello.py"))
local_run.wait_for_completion()
assert local_run.get_status() == "Completed"
details = local_run.get_details_with_logs()
assert "hello" in "".join(details["logFiles"].values())
assert local_run.get_metrics() == {"message": "Hello from run!"}

# Properties never change, tags do
local_run.add_properties({"author": "azureml-user"})
try:
    local_run.add_properties({"author": "different-user"})
except Exception as e:
    print(e.message)
else:
    raise AssertionError("a property changed")
assert local_run.get_properties()["author"] == "azureml-user"
local_run.tag("quality", "great run")
local_run.tag("quality", "terrible run")
local_run.tag("worth another look")
assert local_run.get_tags() == {"quality": "terrible run", "worth another look": None}
found = exp.get_runs(properties={"author": "azureml-user"}, tags={"quality": "terrible run"})
assert [one.id for one in found] == [local_run.id]
found = exp.get_runs(properties={"author": "azureml-user"}, tags="worth another look")
assert [one.id for one in found] == [local_run.id]

# Children
children_run = exp.submit(ScriptRunConfig(source_directory=".", script="hello_with_children.py"))
children_run.wait_for_completion()
children = list(children_run.get_children())
assert [child.get_tags()["azureml.batch_child_number"] for child in children] == ["4", "3", "2", "1", "0"]
assert [child.get_metrics() for child in children] == [{"Hello from child run ": n} for n in (4, 3, 2, 1, 0)]
with exp.start_logging() as parent_run:
    with parent_run.child_run(name="Sub run") as child_run:
        child_run.log(name="Hello from child run ", value=7)
assert [child.id for child in parent_run.get_children()] == [child_run.id]
assert child_run.parent.id == parent_run.id

# Cancel and fail
for end, status in ((lambda one: one.cancel(), "Canceled"), (lambda one: one.fail(), "Failed")):
    delay_run = exp.submit(ScriptRunConfig(source_directory=".", script="hello_with_delay.py"))
    while delay_run.get_status() not in ("Running", status):
        time.sleep(0.05)
    end(delay_run)
    delay_run.wait_for_completion(raise_on_error=False)
    assert delay_run.get_status() == status, delay_run.get_status()

# The source as it was
path = local_run.restore_snapshot(path="snapshots")
assert os.path.isabs(path)
with zipfile.ZipFile(path) as archive:
    assert "hello.py" in archive.namelist()
    assert not any(name.endswith(".txt") for name in archive.namelist())
assert Run(exp, local_run.id).get_snapshot_id() == local_run.get_snapshot_id()
print("managed")
