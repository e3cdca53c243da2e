class Item extends EmergeObject {
  static fields = { name: text(), price: float(0), count: int(0), tags: list([]) };
  /** What all of it costs. */
  cost() { return this.price * this.count; }
}

class Farm extends EmergeObject {
  static fields = { name: text(), acres: float(0) };
}

class Customer extends EmergeObject {
  static fields = { name: text(), email: text(), farms: list([]) };
  /** Says who it is. */
  greet() { return `I am ${this.name}`; }
}

class Cleaner extends EmergeObject {
  /** Removes the older ones of the customers that have the same address, and tells how many these were. */
  async clean(directory) {
    const newest = new Map();
    const older = [];
    for await (const meta of fs.list(directory)) {
      const customer = await fs.get(meta.path);
      const known = newest.get(customer.email);
      const later = known === undefined || known.meta.created < meta.created
        || (Number(known.meta.created) === Number(meta.created) && known.meta.name < meta.name);
      if (later) newest.set(customer.email, customer);
      const old = later ? known : customer;
      if (old !== undefined) older.push(old.meta.path);
    }
    for (const path of older) await fs.rm(path);
    return older.length;
  }
}

class Dear extends EmergeObject {
  static fields = { directory: text("/"), least: float(0), results: any(null) };
  /** What costs at least so much, and how much it costs. */
  async query(fs) {
    const rows = [];
    for await (const meta of fs.list(this.directory)) {
      const item = await fs.get(meta.path);
      if (item.cost() >= this.least) rows.push([item.name, item.cost()]);
    }
    return new Table(["name", "cost"], rows.sort((one, other) => other[1] - one[1]));
  }
}
