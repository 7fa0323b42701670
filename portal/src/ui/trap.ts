/** Keeps the Tab key within what covers the page without being a window of the browser's own. */

const STOPS =
  "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), [tabindex]";

/** Whether a window of the browser's own is on top, which keeps keys to itself. */
export function hasModal(): boolean {
  return document.querySelector("dialog:modal") !== null;
}

/** On Tab at either end, or from outside, go on at the other end of `root`. */
export function keepTab(event: KeyboardEvent, root: HTMLElement): void {
  if (event.key !== "Tab" || event.defaultPrevented) return;
  const stops = [...root.querySelectorAll<HTMLElement>(STOPS)].filter(
    (one) => one.tabIndex >= 0 && one.getClientRects().length > 0,
  );
  const [first, last] = [stops[0], stops.at(-1)];
  const at = document.activeElement;
  const isOutside = !root.contains(at);
  if (!event.shiftKey && (isOutside || at === last)) first?.focus();
  else if (event.shiftKey && (isOutside || at === first)) last?.focus();
  else return;
  event.preventDefault();
}
