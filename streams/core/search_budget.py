"""The nodes that the searches of a receipt share."""

from typing import final


@final
class Budget:
    """Nodes left to all searches of a receipt, and whether one of them lacked some."""

    def __init__(self, nodes: int) -> None:
        """Allow *nodes*."""
        self.nodes = nodes
        self.spent = False

    def take(self, nodes: int) -> bool:
        """Use *nodes*; False when none is left."""
        if self.nodes <= 0:
            return False
        self.nodes -= nodes
        return True
