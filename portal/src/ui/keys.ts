/** Whether a key press belongs to a field that takes text, or (unless `withModifier`) to a shortcut of the browser. */
export function isTyping(event: KeyboardEvent, withModifier = false): boolean {
  if (!withModifier && (event.ctrlKey || event.metaKey || event.altKey)) return true;
  if (event.defaultPrevented) return true;
  const { target } = event;
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" && target.type !== "range";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
