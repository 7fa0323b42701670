/** Tells an element whether it is in the window or close to it; one observer for all. */

/** So far outside of the window a panel begins to load: a flick of the wheel. */
const MARGIN = "500px 0px";
const callbacks = new Map<Element, (isNear: boolean) => void>();
let observer: IntersectionObserver | undefined;

export function near(callback: (isNear: boolean) => void): (element: Element) => () => void {
  return (element) => {
    observer ??= new IntersectionObserver(
      (entries) => {
        for (const entry of entries) callbacks.get(entry.target)?.(entry.isIntersecting);
      },
      { rootMargin: MARGIN },
    );
    callbacks.set(element, callback);
    observer.observe(element);
    return () => {
      callbacks.delete(element);
      observer?.unobserve(element);
    };
  };
}
