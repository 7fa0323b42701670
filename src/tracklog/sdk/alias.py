"""What the import names of Azure ML v1 need beside re-exports: its names that tracklog has not, and clashes with the real one.

The package `tracklog-azureml` holds the names (`azureml.core`, …); `tracklog run` puts them in the way of a script by itself.
A name outside the product imports, so that a script runs whose half is of use, and raises when it is used.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from tracklog.errors import NotSupportedError

VERSION = "1.61.0"  # of azureml-core: the release whose names these are; scripts print it and compare with it

DEPLOY = (
    "Deployment is not part of tracklog. Take the model's files by model.download() and hand them to the serving tool of your "
    "choice"
)
_DATA = (
    "Data sets are made by Dataset.Tabular and Dataset.File of files and addresses, read with pandas, and given to scripts by "
    "as_named_input, as_mount and as_download"
)
_COMPUTE = (
    "Runs are executed on this machine. Leave compute_target out, or make a queue for them: "
    "ComputeTarget.create(ws, name, AmlCompute.provisioning_configuration(max_nodes=2))"
)
_SWEEP = (
    "Sweeps are not part of tracklog yet. Start a child run for each trial: with parent.child_run() as trial: …; a search "
    "library such as Optuna chooses the values"
)
_AUTOML = (
    "Automated machine learning is not part of tracklog. Search with a library such as scikit-learn or Optuna, and log each "
    "trial in a child run"
)
_ESTIMATOR = "Estimators were deprecated in v1 itself. Use ScriptRunConfig(source_directory=…, script=…, arguments=[…])"
_PIPELINE = (
    "Pipelines are not part of tracklog. Call the steps from one script, each in a child run: with run.child_run('train'): …"
)
_EXPLAIN = "Explanations are not part of tracklog. Keep what your library draws: run.log_image('importance', plot=figure)"
_CLOUD = "It belongs to the Azure cloud, and tracklog has no counterpart"

# Whole modules, with all below them, and what to do instead.
_MODULES = {
    "azureml.accel": DEPLOY,
    "azureml.automl": _AUTOML,
    "azureml.contrib": _CLOUD,
    "azureml.core.compute": _COMPUTE,
    "azureml.core.databricks": _CLOUD,
    "azureml.core.image": DEPLOY,
    "azureml.core.keyvault": "Secrets are not part of tracklog. Read them from the environment: os.environ['NAME']",
    "azureml.core.linked_service": _CLOUD,
    "azureml.core.private_endpoint": _CLOUD,
    "azureml.core.profile": DEPLOY,
    "azureml.core.webservice": DEPLOY,
    "azureml.data": _DATA,
    "azureml.datadrift": _CLOUD,
    "azureml.dataprep": _DATA,
    "azureml.explain": _EXPLAIN,
    "azureml.fairness": _EXPLAIN,
    "azureml.interpret": _EXPLAIN,
    "azureml.mlflow": "Plain mlflow works with a tracklog server: mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri())",
    "azureml.monitoring": DEPLOY,
    "azureml.opendatasets": "The open data sets were a service of Azure. scikit-learn has many: sklearn.datasets",
    "azureml.pipeline": _PIPELINE,
    "azureml.studio": _PIPELINE,
    "azureml.tensorboard": "Point TensorBoard at the folder your script wrote: tensorboard --logdir outputs",
    "azureml.train.automl": _AUTOML,
    "azureml.train.dnn": _ESTIMATOR,
    "azureml.train.estimator": _ESTIMATOR,
    "azureml.train.hyperdrive": _SWEEP,
    "azureml.train.sklearn": _ESTIMATOR,
}

# Names inside of modules that exist.
_NAMES = {
    "azureml.core": {
        "Image": DEPLOY,
        "Keyvault": _MODULES["azureml.core.keyvault"],
        "LinkedService": _CLOUD,
        "PrivateEndPoint": _CLOUD,
        "PrivateEndPointConfig": _CLOUD,
        "SynapseWorkspaceLinkedServiceConfiguration": _CLOUD,
        "Webservice": DEPLOY,
        "attach_legacy_compute_target": _COMPUTE,
        "diagnostic_log": "Its log is Python's: logging.basicConfig(level=logging.DEBUG) shows it",
        "is_compute_target_prepared": _COMPUTE,
        "prepare_compute_target": _COMPUTE,
        "remove_legacy_compute_target": _COMPUTE,
    },
    "azureml.core.model": {"InferenceConfig": DEPLOY, "ModelPackage": DEPLOY, "ModelProfile": DEPLOY},
    "azureml.core.run": {"Keyvault": _MODULES["azureml.core.keyvault"]},
    "azureml.core.runconfig": {
        "ApplicationEndpointConfiguration": _CLOUD,
        "Data": _DATA,
        "DataLocation": _DATA,
        "DatabricksSection": _CLOUD,
        "HdiConfiguration": _CLOUD,
        "KubernetesComputeConfiguration": _CLOUD,
        "OutputData": _DATA,
        "ParallelTaskConfiguration": _PIPELINE,
        "SparkConfiguration": _CLOUD,
    },
    "azureml.core.environment": {"DatabricksSection": _CLOUD, "RSection": _CLOUD},
    "azureml.widgets": {"ParallelRunStepDetails": _PIPELINE},
}


class _Outside(type):
    """A class that raises whatever is done with it, but for being imported, named in an annotation and asked about."""

    _advice: str

    def _refuse(cls, used: str) -> NoReturn:
        raise NotSupportedError(f"{used} of Azure ML v1 is not in tracklog. {cls._advice}.")

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        cls._refuse(f"{cls.__module__}.{cls.__name__}")

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("_"):  # asked by inspect, copy, notebooks
            raise AttributeError(name)
        cls._refuse(f"{cls.__module__}.{cls.__name__}.{name}")


def outside(module: str, name: str) -> Any:
    """Return the stand-in for a name of v1 that tracklog has not: what a module's `__getattr__` hands on.

    Raises:
        AttributeError: v1 has no such name either.
    """
    advice = _NAMES.get(module, {}).get(name) or (None if name.startswith("_") else _advice_for(module))
    if advice is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return _Outside(name, (), {"__module__": module, "_advice": advice})


def outside_names(module: str) -> Sequence[str]:
    """Return the names of a module that `outside` has stand-ins for."""
    return sorted(_NAMES.get(module, {}))


def _advice_for(module: str) -> str | None:
    parts = module.split(".")
    return next((advice for end in range(len(parts), 1, -1) if (advice := _MODULES.get(".".join(parts[:end])))), None)


class _OutsideModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that are outside as a whole. Asked last, so that anything installed comes first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("azureml.") or _advice_for(fullname) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__doc__ = f"{name} of Azure ML v1 is not in tracklog. {_advice_for(name)}."
        vars(module)["__getattr__"] = lambda attribute: outside(name, attribute)


def install(package_file: str) -> None:
    """Make the modules outside the product importable: what `azureml/__init__.py` calls.

    Raises:
        ImportError: the real azureml-core lies in the same folder, and its files and ours are mixed.
    """
    explain_clash(package_file)
    if not any(isinstance(finder, _OutsideModules) for finder in sys.meta_path):
        sys.meta_path.append(_OutsideModules())


def explain_clash(package_file: str) -> None:
    """Raise ImportError when azureml-core is installed into the folder that our `azureml` is in."""
    here = Path(package_file).resolve().parent.parent
    for distribution in importlib.metadata.distributions(name="azureml-core"):
        if Path(str(distribution.locate_file(""))).resolve() == here:
            raise ImportError(
                f"Both azureml-core {distribution.version} and tracklog-azureml are installed in {here}, and both claim the name "
                "`azureml`. Keep one:\n"
                "  pip uninstall azureml-core && pip install --force-reinstall --no-deps tracklog-azureml\n"
                "or remove tracklog-azureml and start scripts by `tracklog run script.py`, which brings the names along."
            )


def set_diagnostics_collection(send_diagnostics: bool = True, verbosity: Any = None) -> None:
    """Do nothing: what v1 asked for leave to send is never sent."""
