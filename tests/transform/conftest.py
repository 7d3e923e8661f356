"""Lets the tests here import the helpers beside them (importlib mode leaves sys.path alone)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
