/** Tells an element whether it is in the window or close to it; one observer for all. */

import { together } from "../../ui/measure";

/** So far outside of the window a panel begins to load: a flick of the wheel. */
const MARGIN_PX = 500;
const callbacks = new Map<Element, (isNear: boolean) => void>();
let observer: IntersectionObserver | undefined;

/** The observer tells after the next frame; by then what else the page has to draw would stand before the curves. */
const arrive = together((elements) => {
  const boxes = elements.map((element) => element.getBoundingClientRect());
  for (const [at, element] of elements.entries()) {
    const { top, bottom } = boxes[at] ?? { top: 0, bottom: 0 };
    callbacks.get(element)?.(bottom > -MARGIN_PX && top < window.innerHeight + MARGIN_PX);
  }
});

export function near(callback: (isNear: boolean) => void): (element: Element) => () => void {
  return (element) => {
    observer ??= new IntersectionObserver(
      (entries) => {
        for (const entry of entries) callbacks.get(entry.target)?.(entry.isIntersecting);
      },
      { rootMargin: `${MARGIN_PX}px 0px` },
    );
    callbacks.set(element, callback);
    arrive(element);
    observer.observe(element);
    return () => {
      callbacks.delete(element);
      observer?.unobserve(element);
    };
  };
}
