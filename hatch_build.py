"""At build time: the links of the README become absolute, so that they work on a package index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


class AbsoluteLinks(MetadataHookInterface):
    """Gives the metadata its README and its addresses, from one address in pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``readme`` and ``urls``."""
        home, files = self.config["repository"], self.config["files"]
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        absolute = LINK.sub(lambda link: f"{link[1]}({files}/{link[2]})", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute}
        metadata["urls"] = {
            "Repository": home,
            "Documentation": f"{files}/docs/index.md",
            "Changelog": f"{files}/CHANGELOG.md",
        }
