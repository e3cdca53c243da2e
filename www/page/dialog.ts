import { button, el } from "./dom.js";
import { describe } from "./problem.js";

interface Ask {
  title: string;
  /** What is said below the title. */
  text?: string;
  /** The label of the button that goes ahead. */
  confirm: string;
  danger?: boolean;
  /** One text input, when given. */
  input?: { label: string; value?: string; placeholder?: string };
  /** What to do; the dialog stays open and shows the error when it fails. */
  run: (value: string) => Promise<void>;
}

let numbered = 0;

/** Asks before doing something; resolves to whether it was done. */
export function ask(options: Ask): Promise<boolean> {
  const { promise, resolve } = withResolvers<boolean>();
  const id = `dialog-${(numbered += 1)}`;
  const problem = el("p", { class: "dialog-problem", attrs: { role: "alert" } });
  const input = options.input
    ? el("input", {
        class: "input",
        attrs: {
          id: `${id}-input`,
          type: "text",
          autocomplete: "off",
          spellcheck: "false",
          required: true,
          placeholder: options.input.placeholder,
        },
      })
    : undefined;
  if (input) input.value = options.input?.value ?? "";
  const go = el("button", {
    class: options.danger === true ? "button danger" : "button primary",
    text: options.confirm,
    attrs: { type: "submit" },
  });
  const form = el(
    "form",
    { attrs: { method: "dialog" } },
    el("h2", { text: options.title, attrs: { id: `${id}-title` } }),
    options.text !== undefined && el("p", { class: "dialog-text", text: options.text }),
    input && el("label", { class: "field-label", text: options.input?.label ?? "", attrs: { for: `${id}-input` } }),
    input,
    problem,
    el("div", { class: "dialog-actions" }, button("Cancel", () => dialog.close()), go),
  );
  const dialog = el("dialog", { class: "dialog", attrs: { "aria-labelledby": `${id}-title` } }, form);
  let done = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go.disabled = true;
    problem.textContent = "";
    options.run(input?.value ?? "").then(
      () => {
        done = true;
        dialog.close();
      },
      (error: unknown) => {
        go.disabled = false;
        problem.textContent = describe(error);
      },
    );
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(done);
  });
  document.body.append(dialog);
  dialog.showModal();
  input?.select();
  return promise;
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
