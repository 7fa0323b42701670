/** Tells an element whether it is in the window or close to it; one observer for all. */

/** So far outside of the window a panel begins to load: a flick of the wheel. */
const MARGIN_PX = 500;
const callbacks = new Map<Element, (isNear: boolean) => void>();
let observer: IntersectionObserver | undefined;
let arrived: Element[] = [];

/** Tell elements that have just come where they are. The observer does so after the next frame; by then what else the page has to
 * draw would stand before their curves. All are measured together: one layout, not one for each of a thousand. */
function tellArrived(): void {
  const places = arrived.map((element) => ({ element, box: element.getBoundingClientRect() }));
  arrived = [];
  for (const { element, box } of places)
    callbacks.get(element)?.(box.bottom > -MARGIN_PX && box.top < window.innerHeight + MARGIN_PX);
}

export function near(callback: (isNear: boolean) => void): (element: Element) => () => void {
  return (element) => {
    observer ??= new IntersectionObserver(
      (entries) => {
        for (const entry of entries) callbacks.get(entry.target)?.(entry.isIntersecting);
      },
      { rootMargin: `${MARGIN_PX}px 0px` },
    );
    callbacks.set(element, callback);
    if (arrived.push(element) === 1) queueMicrotask(tellArrived);
    observer.observe(element);
    return () => {
      callbacks.delete(element);
      observer?.unobserve(element);
    };
  };
}
