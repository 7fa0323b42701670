/** `use:scrollable`: what scrolls can be reached and scrolled by keyboard (WCAG 2.1.1); what fits is no stop on the way. */
export function scrollable(node: HTMLElement): { destroy: () => void } {
  const update = () => {
    const scrolls = node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight;
    if (scrolls) node.tabIndex = 0;
    else node.removeAttribute("tabindex");
  };
  const observer = new ResizeObserver(update);
  observer.observe(node);
  for (const child of node.children) observer.observe(child);
  update();
  return { destroy: () => observer.disconnect() };
}
