/** What a new notebook holds: the README's example, and what comes after it. */
export const CELLS: readonly string[] = [
  `import emerge

@emerge.dataclass
class InventoryItem(emerge.Object):
    unit_price: float = 0.0
    quantity_on_hand: int = 0

    def total_cost(self) -> float:
        return self.unit_price * self.quantity_on_hand

fs = emerge.connect()
fs.store("/parts/widget1", InventoryItem(unit_price=3.0, quantity_on_hand=10))
print(fs.call("/parts/widget1", "total_cost"))  # 30.0, computed on the node`,
  `widget = fs.get("/parts/widget1")
widget.total_cost()  # 30.0, computed here`,
  `import asyncio

# Everything can be awaited, too.
await asyncio.gather(*(fs.aio.call("/parts/widget1", "total_cost") for _ in range(3)))`,
];
