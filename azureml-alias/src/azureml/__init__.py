"""The import names of Azure ML SDK v1, as re-exports of `tracklog.sdk`."""

from tracklog.sdk.alias import install

install(__file__)
