import { CalendarDate, Decimal, Duration, EmbeddedObject, EmergeObject, NdArray, Ref, Table, Uuid } from "emerge-client";
import { append, el } from "./dom.js";
import { ago, bytes as size, many } from "./format.js";
import { fragment } from "./route.js";

/** How many members of a list, map or set are shown before one asks for more. */
const BATCH = 100;
/** How many characters of a text are shown before one asks for more. */
const LONG_TEXT = 2_000;
/** How many numbers of an array, or bytes, are shown. */
const PREVIEW = 64;

/** What a value is shown with. */
export interface Shown {
  /** The declared type of its field, when it has one. */
  readonly declared?: string | undefined;
  /** True inside a list or a map: texts are quoted, lists start closed. */
  readonly nested?: boolean | undefined;
}

/** Shows a value of any kind. */
export function render(value: unknown, shown: Shown = {}): HTMLElement {
  switch (typeof value) {
    case "undefined":
      return el("span", { class: "v v-null", text: "nothing" });
    case "boolean":
      return el("span", { class: `v v-bool v-${value}`, text: String(value) });
    case "bigint":
      return el("span", { class: "v v-number", text: String(value) });
    case "number":
      return el("span", { class: "v v-number", text: numeral(value, shown.declared) });
    case "string":
      return text(value, shown.nested ?? false);
    case "object":
      return value === null ? el("span", { class: "v v-null", text: "null" }) : objectLike(value, shown);
    default:
      return el("span", { class: "v v-null", text: typeof value });
  }
}

function numeral(value: number, declared: string | undefined): string {
  if (Object.is(value, -0)) return declared === "float" ? "-0.0" : "-0";
  const plain = String(value);
  return declared === "float" && /^-?\d+$/.test(plain) ? `${plain}.0` : plain;
}

function text(value: string, quoted: boolean): HTMLElement {
  if (value === "") return el("span", { class: "v v-null", text: quoted ? '""' : "empty text" });
  if (value.length > LONG_TEXT) {
    const shown = el("span", { class: "v v-text", text: value.slice(0, LONG_TEXT) });
    const more = el("button", {
      class: "button small",
      text: `… show all ${many(value.length, "character")}`,
      attrs: { type: "button" },
      on: {
        click: () => {
          shown.textContent = value;
          more.remove();
        },
      },
    });
    return el("span", {}, shown, more);
  }
  return el("span", { class: quoted ? "v v-text v-quoted" : "v v-text", text: quoted ? JSON.stringify(value) : value });
}

function objectLike(value: object, shown: Shown): HTMLElement {
  if (value instanceof Date) return moment(value);
  if (value instanceof Uint8Array) return blob(value);
  if (ArrayBuffer.isView(value)) return numbers(value.constructor.name, [], value);
  if (Array.isArray(value)) return group("list", value.length, value.entries(), shown);
  if (value instanceof Set) return group("set", value.size, numbered(value), shown);
  if (value instanceof Map) return group("map", value.size, value.entries(), shown);
  if (value instanceof EmergeObject) {
    const fields = Object.entries(value);
    return group(value.constructor.name, fields.length, fields, shown, true);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) {
    const entries = Object.entries(value);
    return group("map", entries.length, entries, shown);
  }
  return special(value, shown);
}

function moment(value: Date): HTMLElement {
  if (Number.isNaN(value.getTime())) return el("span", { class: "v v-null", text: "invalid date" });
  const iso = value.toISOString();
  return el(
    "span",
    { class: "v v-time" },
    el("time", { text: value.toLocaleString(), title: iso, attrs: { datetime: iso } }),
    el("span", { class: "hint", text: ago(value) }),
  );
}

function blob(value: Uint8Array): HTMLElement {
  const hex = Array.from(value.subarray(0, PREVIEW), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return el(
    "span",
    { class: "v v-bytes" },
    el("span", { class: "tag", text: `bytes, ${size(value.length)}` }),
    el("span", { class: "mono", text: value.length > PREVIEW ? `${hex} …` : hex }),
  );
}

function numbers(name: string, shape: readonly number[], value: ArrayBufferView): HTMLElement {
  const all = value as unknown as ArrayLike<number | bigint>;
  const shape_ = shape.length > 0 ? shape.join(" × ") : String(all.length);
  const first = Array.from({ length: Math.min(PREVIEW, all.length) }, (_, at) => String(all[at])).join(", ");
  return el(
    "span",
    { class: "v v-bytes" },
    el("span", { class: "tag", text: `${name} ${shape_}` }),
    el("span", { class: "mono", text: all.length > PREVIEW ? `${first}, …` : first }),
  );
}

/** The client's own kinds of values. */
const SAID: readonly (readonly [new (...args: never[]) => object, string])[] = [
  [Uuid, "UUID"],
  [Decimal, "decimal"],
  [Duration, "duration"],
  [CalendarDate, "date"],
];

function special(value: object, shown: Shown): HTMLElement {
  if (value instanceof Ref) return el("a", { class: "v v-ref", text: value.path, attrs: { href: fragment(value.path) } });
  if (value instanceof Table) return group("table", value.rows.length, numbered(value.records()), shown);
  if (value instanceof NdArray) return numbers(value.data.constructor.name, value.shape, value.data);
  if (value instanceof EmbeddedObject) {
    const fields = Object.entries(value.fields);
    return group("object", fields.length, fields, shown);
  }
  const kind = SAID.find(([kind]) => value instanceof kind)?.[1] ?? "value";
  return el("span", { class: "v v-other" }, el("span", { text: String(value as { toString(): string }) }), el("span", { class: "hint", text: kind }));
}

function* numbered(values: Iterable<unknown>): Generator<[number, unknown]> {
  let at = 0;
  for (const value of values) yield [at++, value];
}

/** Members of a list, set, map or object; made when they are opened, a batch at a time, so that none is too large. */
function group(
  kind: string,
  length: number,
  members: Iterable<readonly [unknown, unknown]>,
  shown: Shown,
  named = false,
): HTMLElement {
  const title = named ? kind : `${kind}, ${many(length, "member")}`;
  if (length === 0) return el("span", { class: "v v-null", text: named ? kind : `empty ${kind}` });
  const body = el("dl", { class: "members" });
  const iterator = members[Symbol.iterator]();
  const more = (): void => {
    body.querySelector(":scope > .more")?.remove();
    for (let left = BATCH; left > 0; left -= 1) {
      const next = iterator.next();
      if (next.done === true) return;
      const [key, value] = next.value;
      append(body, el("dt", { text: String(key) }), el("dd", {}, render(value, { nested: true })));
    }
    if (body.childElementCount < 2 * length) {
      const button = el("button", { class: "button small", text: "Show more", attrs: { type: "button" }, on: { click: more } });
      append(body, el("div", { class: "more" }, button));
    }
  };
  const open = shown.nested !== true && length <= 20;
  const details = el("details", { class: "v v-group" }, el("summary", { text: title }), body);
  if (open) {
    more();
    details.open = true;
  } else {
    details.addEventListener("toggle", more, { once: true });
  }
  return details;
}
