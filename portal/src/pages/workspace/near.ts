import { watching } from "../../ui/measure";

/** So far outside of the window a panel begins to load: a flick of the wheel. */
const MARGIN_PX = 500;

/** Tells whether an element is in the window or close to it; curves must not wait for what else the page has to draw. */
export const near = watching<boolean>({
  observer: (tell) =>
    new IntersectionObserver(
      (entries) => {
        for (const entry of entries) tell(entry.target, entry.isIntersecting);
      },
      { rootMargin: `${MARGIN_PX}px 0px` },
    ),
  measure: (elements) =>
    elements.map((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      return bottom > -MARGIN_PX && top < window.innerHeight + MARGIN_PX;
    }),
});
