// Classes that several tests store.

import { EmergeObject, type Fields, float, int, list, text } from "../src/index.js";

export class InventoryItem extends EmergeObject {
  static override fields: Fields = { unitPrice: float(0, "What one costs."), quantityOnHand: int(0) };
  static override doc = "Something on a shelf.";
  declare unitPrice: number;
  declare quantityOnHand: number;

  /** What all of them cost. */
  totalCost(discount = 0): number {
    return this.unitPrice * this.quantityOnHand * (1 - discount);
  }

  /** Sells some, if there are enough. */
  sell(count: number): number {
    if (count > this.quantityOnHand) throw new Error(`only ${String(this.quantityOnHand)} left`);
    this.quantityOnHand -= count;
    return this.quantityOnHand;
  }
}

export class Perishable extends InventoryItem {
  static override fields = { days: int(7), tags: list<string>([]), note: text("") };
  declare days: number;
  declare tags: string[];
  declare note: string;

  keeps(): boolean {
    return this.days > 3;
  }
}
