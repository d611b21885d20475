# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests; those of throwaway servers start nothing until a test asks for them."""

pytest_plugins = ("tests.servers.fixtures",)
