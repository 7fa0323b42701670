/** Tells elements of their size and place: many share one observer, and what comes together is measured at once, in one layout. */

/** How one kind of observer is made, given what tells an element its value, and what the values are before it has looked. */
interface Watch<Value> {
  observer: (tell: (element: Element, value: Value) => void) => Pick<ResizeObserver, "observe" | "unobserve">;
  /** Called before anything is painted; an observer tells after the next frame. */
  measure: (elements: Element[]) => Value[];
}

/** Return an attachment that tells an element's value, now and whenever it changes. */
export function watching<Value>(watch: Watch<Value>) {
  const callbacks = new Map<Element, (value: Value) => void>();
  const tell = (element: Element, value: Value) => callbacks.get(element)?.(value);
  let observer: Pick<ResizeObserver, "observe" | "unobserve"> | undefined;
  let arrived: Element[] = [];

  function arrive(element: Element): void {
    if (arrived.push(element) > 1) return;
    queueMicrotask(() => {
      const elements = arrived;
      arrived = [];
      watch.measure(elements).forEach((value, at) => {
        tell(elements[at] as Element, value);
      });
    });
  }
  return (callback: (value: Value) => void) =>
    (element: Element): (() => void) => {
      observer ??= watch.observer(tell);
      callbacks.set(element, callback);
      arrive(element);
      observer.observe(element);
      return () => {
        callbacks.delete(element);
        observer?.unobserve(element);
      };
    };
}

/** Tells how wide an element is inside, px. */
export const wide = watching<number>({
  observer: (tell) =>
    new ResizeObserver((entries) => {
      for (const { target } of entries) tell(target, target.clientWidth);
    }),
  measure: (elements) => elements.map((element) => element.clientWidth),
});
