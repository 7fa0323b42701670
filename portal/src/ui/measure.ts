/** Measures elements that come together at once: one layout of the page, not one for each of hundreds. */

/** Return what collects elements, and hands those of one moment to `measure` together, before anything is painted. */
export function together(measure: (elements: Element[]) => void): (element: Element) => void {
  let arrived: Element[] = [];
  return (element) => {
    if (arrived.push(element) > 1) return;
    queueMicrotask(() => {
      const elements = arrived;
      arrived = [];
      measure(elements);
    });
  };
}

const callbacks = new Map<Element, (px: number) => void>();
let observer: ResizeObserver | undefined;
const arrive = together((elements) => {
  const widths = elements.map((element) => element.clientWidth);
  for (const [at, element] of elements.entries()) callbacks.get(element)?.(widths[at] ?? 0);
});

/** Tells how wide an element is inside, now and whenever that changes. */
export function wide(callback: (px: number) => void): (element: Element) => () => void {
  return (element) => {
    observer ??= new ResizeObserver((entries) => {
      for (const { target } of entries) callbacks.get(target)?.(target.clientWidth);
    });
    callbacks.set(element, callback);
    arrive(element);
    observer.observe(element);
    return () => {
      callbacks.delete(element);
      observer?.unobserve(element);
    };
  };
}
