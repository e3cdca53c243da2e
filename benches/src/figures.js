/** Posts the figures that `measure` gives, or why it gave none. */
export async function post(measure) {
  const figures = await measure().catch((error) => ({ error: String(error?.stack ?? error) }));
  await fetch("/bench/figures", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(figures),
  });
}
