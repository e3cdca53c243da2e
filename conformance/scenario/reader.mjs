/**
 * Runs the scenario with a JavaScript client, in Node.js or in a page. It uses nothing but its arguments, so that a test can hand it to a page as text.
 * `emerge` is the client's module, `connect` makes a connection, `define` gives the classes of `classes.mjs` by name, `scenario` what `steps.json` holds, `base` a
 * directory of the host's own. Gives how many steps passed, and what did not.
 */
export async function runScenario(emerge, connect, define, scenario, base) {
  const { EmergeObject, Table } = emerge;
  const classes = define(emerge);
  const fs = await connect();
  const other = await connect();
  fs.define(...Object.values(classes));
  const name = base.slice(1).replaceAll("/", "-");
  const at = (value) => (typeof value === "string" ? value.replaceAll("~", base) : value);
  const made = ({ class: name, fields }) => new classes[name](Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, at(value)])));
  const plain = (value) => (value instanceof Table ? { columns: [...value.columns], rows: value.rows.map((row) => [...row]) } : value);
  const names = async (found) => {
    const all = [];
    for await (const each of found) all.push((each.meta ?? each).name);
    return all;
  };
  const steps = {
    store: async (step) => (await fs.store(at(step.path), made(step))).meta.version,
    call: (step) => fs.call(at(step.path), step.method, ...step.args.map(at)),
    async call_each(step) {
      const results = {};
      for await (const { name, result } of fs.callEach(at(step.path), step.method)) results[name] = result;
      return results;
    },
    local: async (step) => (await fs.get(at(step.path)))[step.method](),
    proxy: (step) => fs.proxy(at(step.path))[step.method](),
    query: (step) => fs.query(at(step.path)),
    read: (step) => other.get(at(step.path)),
    search: (step) => names(fs.search(step.javascript, null, { directory: at(step.path), order: step.order })),
    list: (step) => names(fs.list(at(step.path))),
    async get(step) {
      const got = await fs.get(at(step.path));
      return got instanceof EmergeObject ? { class: got.meta.class, ...got } : got;
    },
    mixin: async (step) => (await fs.mixin(at(step.path), at(step.other), at(step.to))).clashes.map((clash) => clash.name),
    async add(step) {
      await fs.store(at(step.to), made(step));
      return fs.add(at(step.path), step.field, at(step.to));
    },
    remove: async (step) => (await fs.rm(at(step.path))) ?? null,
    async edit(step) {
      const object = await fs.get(at(step.path));
      object[step.field] = step.value;
      return (await fs.store(at(step.path), object)).meta.version;
    },
    diff: async (step) => (await fs.diff(at(step.path), step.from, step.to)).fields.map((field) => [field.field, field.old, field.new]),
    restore: (step) => fs.restore(at(step.path), step.version),
    async transaction(step) {
      const tx = await fs.begin({ name });
      try {
        await tx.store(at(step.path), made(step));
        await (await other.open(name)).call(at(step.other), step.method);
      } finally {
        await tx.rollback();
      }
    },
    exists: (step) => fs.exists(at(step.path)),
    open: async () => (await fs.transactions()).filter((tx) => tx.name === name),
  };
  let passed = 0;
  const failed = [];
  for (const step of scenario.steps) {
    const wanted = JSON.stringify(step.fails ?? step.gives);
    let got;
    try {
      got = JSON.stringify(plain(await steps[step.op](step)));
    } catch (error) {
      if (!(error instanceof emerge.EmergeError)) throw error;
      got = JSON.stringify(step.fails === undefined ? `${error.code}: ${error.message}` : error.code);
    }
    if (got === wanted) passed += 1;
    else failed.push(`${step.name}: ${wanted} was expected, ${got} came`);
  }
  await Promise.all([fs.close(), other.close()]);
  return { passed, failed };
}
