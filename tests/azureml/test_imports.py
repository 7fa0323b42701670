"""The names under `azureml`: each spelling that real files use imports, and says what to do where it has no counterpart."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import tracklog
from tracklog.errors import NotSupportedError
from tracklog.sdk import alias

# The most used import lines of 712 public files, most frequent first: what tracklog supports, …
SUPPORTED = """
azureml.core.Workspace azureml.core.Experiment azureml.core.Run azureml.core.ScriptRunConfig azureml.core.Environment
azureml.core.RunConfiguration azureml.core.ContainerRegistry azureml.core.VERSION azureml.core.get_run azureml.core.ScriptRun
azureml.widgets.RunDetails azureml.core.compute_target.ComputeTargetException azureml.core.conda_dependencies.CondaDependencies
azureml.core.run.Run azureml.core.run._OfflineRun azureml.core.run.get_run azureml.core.workspace.Workspace
azureml.core.experiment.Experiment azureml.core.environment.Environment azureml.core.environment.CondaDependencies
azureml.core.script_run_config.ScriptRunConfig azureml.core.script_run.ScriptRun
azureml.core.container_registry.ContainerRegistry azureml.core.runconfig.RunConfiguration
azureml.core.runconfig.CondaDependencies azureml.core.runconfig.DEFAULT_CPU_IMAGE azureml.core.runconfig.DEFAULT_GPU_IMAGE
azureml.core.runconfig.MpiConfiguration azureml.core.runconfig.PyTorchConfiguration
azureml.core.runconfig.TensorflowConfiguration azureml.core.runconfig.DockerConfiguration
azureml.core.authentication.InteractiveLoginAuthentication azureml.core.authentication.ServicePrincipalAuthentication
azureml.core.authentication.AzureCliAuthentication azureml.core.authentication.MsiAuthentication
azureml.telemetry.set_diagnostics_collection azureml.exceptions.ComputeTargetException azureml.exceptions.AzureMLException
azureml.exceptions.UserErrorException azureml.exceptions.RunEnvironmentException azureml.exceptions.ActivityFailedException
azureml.exceptions.WebserviceException azureml.exceptions.ModelNotFoundException azureml.core.compute.ComputeTarget
azureml.core.compute.AmlCompute azureml.core.Dataset azureml.core.Datastore azureml.core.dataset.Dataset
azureml.data.data_reference.DataReference azureml.core.datastore.Datastore azureml.data.OutputFileDatasetConfig
azureml.data.datapath.DataPath azureml.data.dataset_consumption_config.DatasetConsumptionConfig azureml.core.ComputeTarget
azureml.data.dataset_factory.TabularDatasetFactory azureml.core.compute_target.LocalTarget
azureml.core.compute.amlcompute.AmlCompute azureml.core.runconfig.DataReferenceConfiguration azureml.core.runconfig.Dataset
azureml.core.run.Datastore azureml.data.FileDataset azureml.data.TabularDataset azureml.data.DataType
azureml.data.abstract_dataset.AbstractDataset azureml.data.abstract_datastore.AbstractDatastore
azureml.data.azure_storage_datastore.AzureBlobDatastore azureml.data.dataset_factory.DataType
azureml.data.dataset_factory.FileDatasetFactory azureml.data.dataset_error_handling.DatasetValidationError
azureml.data.dataset_type_definitions.PromoteHeadersBehavior azureml.data.datapath.DataPathComputeBinding
azureml.data.output_dataset_config.OutputFileDatasetConfig azureml.data.file_dataset.FileDataset
azureml.data.tabular_dataset.TabularDataset
azureml.core.model.Model azureml.core.Model azureml.core.resource_configuration.ResourceConfiguration
""".split()  # noqa: SIM905  # a list would take a line for each

# … and what it does not.
OUTSIDE = """
azureml.core.model.InferenceConfig azureml.pipeline.core.Pipeline azureml.core.webservice.AciWebservice
azureml.train.automl.AutoMLConfig azureml.pipeline.core.PipelineData azureml.pipeline.steps.PythonScriptStep
azureml.core.webservice.Webservice azureml.train.estimator.Estimator azureml.train.hyperdrive.HyperDriveConfig
azureml.pipeline.core.PipelineParameter azureml.train.hyperdrive.PrimaryMetricGoal azureml.core.webservice.AksWebservice
azureml.core.compute.AksCompute azureml.train.dnn.PyTorch azureml.train.hyperdrive.choice
azureml.core.webservice.LocalWebservice azureml.train.hyperdrive.RandomParameterSampling
azureml.pipeline.core.PublishedPipeline azureml.pipeline.steps.ParallelRunConfig azureml.train.dnn.TensorFlow
azureml.pipeline.steps.ParallelRunStep azureml.automl.runtime.shared.score.scoring azureml.automl.core.shared.constants
azureml.pipeline.core.run.PipelineRun azureml.pipeline.steps.AutoMLStep
azureml.train.automl.runtime.automl_explain_utilities.automl_setup_model_explanations azureml.train.hyperdrive.BanditPolicy
azureml.pipeline.core.TrainingOutput azureml.core.Webservice azureml.tensorboard.Tensorboard azureml.train.hyperdrive.uniform
azureml.interpret.ExplanationClient azureml.core.image.ContainerImage azureml.train.hyperdrive.GridParameterSampling
azureml.opendatasets.MNIST azureml.data.DatacacheStore azureml.core.compute.ComputeInstance
azureml.data.LinkFileOutputDatasetConfig
""".split()  # noqa: SIM905  # a list would take a line for each


def imported(spelling: str) -> object:
    """Do what `from a.b import c` does."""
    module, _, name = spelling.rpartition(".")
    namespace: dict[str, object] = {}
    exec(f"from {module} import {name}", namespace)
    return namespace[name]


@pytest.mark.parametrize("spelling", SUPPORTED)
def test_a_name_is_ours(spelling: str) -> None:
    found = imported(spelling)

    assert spelling.endswith(("VERSION", "_IMAGE")) or found.__module__.startswith("tracklog."), found


@pytest.mark.parametrize("spelling", OUTSIDE)
def test_a_name_without_counterpart_imports_and_says_when_used_what_to_do(spelling: str) -> None:
    found = imported(spelling)
    name = spelling.rpartition(".")[2]

    with pytest.raises(NotSupportedError) as refused:
        found(1, key="value")  # type: ignore[operator]
    assert name in refused.value.message
    assert len(refused.value.message) > len(name) + 40, "says what to do instead"
    with pytest.raises(NotSupportedError, match=name):
        _ = found.get_by_name  # type: ignore[attr-defined]


def test_what_looks_around_in_a_module_is_not_disturbed() -> None:
    """`hasattr`, `inspect`, doctest and pickle ask for odd names, and `isinstance` for a class."""
    import azureml.core
    import azureml.pipeline.core as pipeline

    assert not hasattr(azureml.core, "__wrapped__")
    assert not hasattr(pipeline, "__path_hook__")
    assert not isinstance(3, pipeline.Pipeline)
    assert repr(pipeline.Pipeline)
    assert "Dataset" in dir(azureml.core)


def test_a_name_that_v1_never_had_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="Experimentt"):
        imported("azureml.core.Experimentt")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("azureml.nothing_such")


def test_the_version_is_one_that_scripts_can_compare(capsys: pytest.CaptureFixture[str]) -> None:
    import azureml.core

    assert azureml.core.__version__ == azureml.core.VERSION
    assert tuple(map(int, azureml.core.VERSION.split("."))) >= (1, 0, 10)


def test_diagnostics_are_never_collected(capsys: pytest.CaptureFixture[str]) -> None:
    from azureml.telemetry import set_diagnostics_collection

    set_diagnostics_collection(send_diagnostics=True)

    assert capsys.readouterr() == ("", "")


def test_authentication_accepts_what_scripts_give(tmp_path: Path) -> None:
    from azureml.core import Workspace
    from azureml.core.authentication import (
        AzureCliAuthentication,
        InteractiveLoginAuthentication,
        ServicePrincipalAuthentication,
    )

    secret = "very-secret"
    logins = [
        InteractiveLoginAuthentication(tenant_id="t", force=True),
        AzureCliAuthentication(),
        ServicePrincipalAuthentication(tenant_id="t", service_principal_id="i", service_principal_password=secret),
    ]

    for login in logins:
        assert Workspace.create("w", auth=login, exist_ok=True).name == "w"
        assert secret not in repr(login) + repr(vars(login))


def test_azureml_core_in_the_same_folder_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "azureml_core-1.60.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: azureml-core\nVersion: 1.60.0\n")
    package = tmp_path / "azureml" / "__init__.py"
    asked = "import sys; sys.path.insert(0, sys.argv[1]); from tracklog.sdk import alias; alias.explain_clash(sys.argv[2])"

    clash = subprocess.run([sys.executable, "-c", asked, tmp_path, package], capture_output=True, text=True, check=False)

    assert clash.returncode == 1
    assert "Both azureml-core 1.60.0 and tracklog-azureml are installed" in clash.stderr
    assert "pip uninstall azureml-core" in clash.stderr
    assert "tracklog run" in clash.stderr
    alias.explain_clash(str(tmp_path.parent / "elsewhere" / "azureml" / "__init__.py"))  # elsewhere is no clash


def test_the_alias_has_the_release_of_tracklog() -> None:
    assert importlib.metadata.version("tracklog-azureml") == tracklog.__version__


def test_importing_the_names_loads_no_server() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, azureml.core, azureml.widgets; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert not {"numpy", "starlette", "uvicorn", "sqlite3", "yaml", "typer"} & set(loaded)
