"""Runs at the start of every Python process that has this folder on PYTHONPATH, such as a candidate's subprocess."""

import torchvision_compat

torchvision_compat.install()
