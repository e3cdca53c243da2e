// What `import … from "emerge-client"` gives in a file that runs in the sandbox, and what stands in the scope of every class.

import { errorOf } from "../../../../www/src/error.js";

export * from "../../../../www/src/error.js";
export * from "../../../../www/src/fields.js";
export { CalendarDate, Decimal, Duration, EmbeddedObject, Float64, NdArray, Ref, Table, Uuid } from "../../../../www/src/codec.js";
export { EmergeObject } from "../../../../www/src/object.js";

/** There is no connection in the sandbox: objects are named by the file, and stored by who runs it. */
export function connect(): never {
  throw errorOf(
    "unsupported",
    'a file that is run to name objects has no connection: give them in a top-level const objects = { "/path": object }',
  );
}
