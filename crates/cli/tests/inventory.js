import { EmergeObject, float, int } from "emerge-client";

class InventoryItem extends EmergeObject {
  static fields = { unitPrice: float(0), quantityOnHand: int(0) };

  /** What all of it costs. */
  totalCost() {
    return this.unitPrice * this.quantityOnHand;
  }

  /** Takes some away. */
  sell(count = 1) {
    if (count > this.quantityOnHand) {
      throw new Error(`only ${this.quantityOnHand} are left`);
    }
    console.log(`selling ${count}`);
    this.quantityOnHand -= count;
    return this.quantityOnHand;
  }

  forever() {
    for (;;);
  }

  hoard() {
    console.log("hoarding");
    const hoard = [];
    for (;;) hoard.push(new Uint8Array(1 << 20));
  }
}

export const objects = {
  "/inventory/widget1": new InventoryItem({ unitPrice: 3, quantityOnHand: 10 }),
  "/inventory/widget2": new InventoryItem({ unitPrice: 0.5, quantityOnHand: 4 }),
};
