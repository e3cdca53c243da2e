/* global atob */
/**
 * Runs the cases with a JavaScript client, in Node.js or in a page. It uses nothing but its arguments, so that a test can hand it to a page as text.
 * `emerge` is the client's module, `fs` a connection, `file` what `cases.json` holds. Gives how many passed, and what did not.
 */
export async function runCases(emerge, fs, file) {
  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const arrays = { int32: Int32Array, float64: Float64Array };
  const readers = {
    $int: (text) => BigInt(text),
    $float: (value) => new emerge.Float64(Number(value)),
    $bytes: bytesOf,
    $set: (items) => new Set(items.map(native)),
    $datetime: (text) => new Date(text),
    $date: (text) => new emerge.CalendarDate(text),
    $uuid: (text) => new emerge.Uuid(text),
    $decimal: (text) => emerge.Decimal.parse(text),
    $duration: (text) => new emerge.Duration(BigInt(Math.round(Number(/^PT([\d.]+)S$/.exec(text)[1]) * 1e6))),
    $ref: (path) => new emerge.Ref(path),
    $table: ({ columns, rows }) => new emerge.Table(columns, rows.map((row) => row.map(native))),
    $array: ({ dtype, shape, data }) => {
      const flat = new arrays[dtype](bytesOf(data).buffer);
      return shape.length === 1 ? flat : new emerge.NdArray(shape, flat);
    },
    $object: ({ fields }) => new emerge.EmbeddedObject(new Uint8Array(16), native(fields)),
  };
  /** The value of a tagged JSON. */
  function native(json) {
    if (Array.isArray(json)) return json.map(native);
    if (json === null || typeof json !== "object") return json;
    const entries = Object.entries(json);
    const reader = entries.length === 1 ? readers[entries[0][0]] : undefined;
    return reader ? reader(entries[0][1]) : Object.fromEntries(entries.map(([key, value]) => [key, native(value)]));
  }
  /** One text for equal values; NaN equals itself, keys keep their order. A whole float is a number like any other here. */
  function shown(value) {
    if (value instanceof emerge.Float64) return shown(value.value);
    if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? String(value) : `big ${value}`;
    if (Object.is(value, -0)) return "-0";
    if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
    if (typeof value === "string") return JSON.stringify(value);
    if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
    if (value instanceof Set) return `set ${[...value].map(shown).sort().join(", ")}`;
    if (value instanceof Date) return `moment ${value.toISOString()}`;
    if (value instanceof emerge.NdArray) return `[${value.shape.join(", ")}] of ${shown(value.data)}`;
    if (value instanceof emerge.EmbeddedObject) return `object ${shown({ ...value.fields })}`;
    if (value instanceof emerge.EmergeObject) return `object ${shown({ ...value })}`;
    if (ArrayBuffer.isView(value)) return `${value.constructor.name} ${[...value].join(", ")}`;
    if (value instanceof emerge.Table) return `table ${shown(value.columns)} ${shown(value.rows)}`;
    if (Object.getPrototypeOf(value) !== Object.prototype) return `${value.constructor.name} ${value}`;
    return `{${Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${shown(inner)}`).join(", ")}}`;
  }
  async function outcome(path, test) {
    if (test.get !== undefined) return (await fs.get(path))[test.get];
    if (test.place !== undefined) return fs.get(`${path}#${test.place}`);
    if (test.from !== undefined) return fs.call(path, test.method, await fs.call(path, test.from));
    if (test.kwargs === undefined) return fs.call(path, test.method, ...test.args.map(native));
    return (await fs.invoke(path, test.method, test.args.map(native), { kwargs: native(test.kwargs) })).result;
  }
  let passed = 0;
  const failed = [];
  for (const language of file.languages) {
    for (const test of file.cases) {
      const path = test.path ?? `/conformance/${language}`;
      const wanted = test.error ?? shown(native(test.results?.[language] ?? test.result));
      let got;
      try {
        got = shown(await outcome(path, test));
      } catch (error) {
        got = error.code ?? String(error);
      }
      if (got === wanted) passed += 1;
      else failed.push(`${language}: ${test.name}: ${wanted} was expected, ${got} came`);
    }
  }
  return { passed, failed };
}
