"""Runs at the start of every Python process with this folder on PYTHONPATH, such as a candidate's."""

import torchvision_compat

torchvision_compat.install()
