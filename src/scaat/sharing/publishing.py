"""What of a run's settings goes public: not where its files lay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath, PureWindowsPath
from typing import Any

from scaat.data.registry import datasets


def data_name(name: str) -> str:
    """Return the name of a data set without the folders that lead to it.

    ``folder:/home/ann/moles`` becomes ``folder:moles``; names that are no path stay.
    """
    kind, colon, place = name.partition(":")
    if not colon or kind not in datasets or (kind == "hf" and not PurePath(place).is_absolute()):
        return name
    return f"{kind}:{_last(place)}"


def public_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's configuration says of data, training and seed, without paths."""
    data, training = dict(config.get("data") or {}), dict(config.get("training") or {})
    for key in ("data", "name"):
        if isinstance(data.get(key), str):
            data[key] = data_name(data[key])
    if isinstance(training.get("weights"), str):
        training["weights"] = _last(training["weights"])
    return {"seed": config.get("seed"), "data": data, "training": training}


def public_training(training: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training's summary, in which pretrained weights' file has no folders."""
    weights = (config.get("training") or {}).get("weights")
    said = training.get("weights")
    if not (isinstance(weights, str) and isinstance(said, str)):
        return dict(training)
    return {**training, "weights": said.replace(repr(weights), repr(_last(weights)))}


def _last(path: str) -> str:
    return PureWindowsPath(path).name or path  # which takes both kinds of slash
