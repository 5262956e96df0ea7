"""Stand-ins for the modules of hosted notebooks (Colab, Kaggle), so that a cell which asks for them runs here too."""

import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

COLAB = {
    "auth": ["authenticate_user"],
    "data_table": ["enable_dataframe_formatter", "disable_dataframe_formatter"],
    "drive": ["mount", "flush_and_unmount"],
    "files": ["upload", "download", "view"],
    "output": ["clear", "eval_js", "enable_custom_widget_manager"],
    "userdata": ["get"],
}
# The methods of the client class that `from kaggle_secrets import UserSecretsClient` gives.
KAGGLE = ["get_secret", "get_gcloud_credential", "get_bigquery_access_token", "set_gcloud_credentials_from_secret"]


def stand_in(source: str, shell: Any) -> None:
    """Make the modules that a cell names importable; at other times no library finds them and takes this for a host.

    A call does nothing, gives None, and is told to `shell.leave_out`.
    """
    if "google.colab" in source:
        _colab(shell)
    if "kaggle_secrets" in source:
        client = {name: _left_out(shell, f"kaggle_secrets.{name}(…)") for name in KAGGLE}
        _module("kaggle_secrets", UserSecretsClient=type("UserSecretsClient", (), client))


def _colab(shell: Any) -> None:
    parts = {
        part: _module(
            f"google.colab.{part}", **{call: _left_out(shell, f"google.colab.{part}.{call}(…)") for call in calls}
        )
        for part, calls in COLAB.items()
    }
    google = sys.modules.setdefault("google", types.ModuleType("google"))
    google.colab = _module("google.colab", __path__=[], **parts)


def _module(name: str, **contents: Any) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(contents)
    return module


def _left_out(shell: Any, call: str) -> Any:
    return lambda *_, **__: shell.leave_out(call)
