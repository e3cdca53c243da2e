class Sample extends EmergeObject {
  static fields = { count: int(0), price: float(0), name: text("") };
  /** Gives back what it is given. */
  echo(value) { return value; }
  /** The names of a map, in their order. */
  names(map) { return Object.keys(map); }
  /** A field, or nothing. */
  field(name) { return this[name] ?? null; }
  /** What all of it costs. */
  total() { return this.count * this.price; }
  /** Counts on, and tells how far. */
  add(by) { this.count += by; return this.count; }
  /** What it is given, in order. */
  pair(first, second = 2, third = 2) { return [first, second, third]; }
  /** Holds another object. */
  held() { return { inner: new Sample({ count: 1, price: -0, name: "inner" }) }; }
  fail(text) { throw new Error(text); }
}
