"""How users write things, one frozen record a stage, and the named settings; plain values, no torch."""

from lth.setting.amount import ALL, Amount
from lth.setting.network import NetworkSpec
from lth.setting.preset import PRESETS, resolve
from lth.setting.setting import Setting
from lth.setting.step import Step

__all__ = ["ALL", "PRESETS", "Amount", "NetworkSpec", "Setting", "Step", "resolve"]
