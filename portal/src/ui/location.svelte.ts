/** The address as state: views are URLs. Links are plain anchors, so middle click and copy work. */

class Location {
  path = $state("/");
  query = $state.raw(new URLSearchParams());

  /** In another site's page: other pages open beside it, never in the frame. */
  #isFramed = false;

  start(): void {
    this.#read();
    window.addEventListener("popstate", () => this.#read());
  }

  /** Open all links in tabs of their own. */
  openOutside(): void {
    this.#isFramed = true;
    const base = document.createElement("base");
    base.target = "_blank";
    document.head.append(base);
  }

  /** Follow links to pages of our own without loading anew. */
  followLinks(): void {
    document.addEventListener("click", (event) => {
      if (
        event.defaultPrevented ||
        event.button !== 0 ||
        event.metaKey ||
        event.ctrlKey ||
        event.shiftKey ||
        event.altKey
      )
        return;
      const anchor = event.target instanceof Element ? event.target.closest("a") : null;
      if (
        anchor === null ||
        anchor.target !== "" ||
        anchor.hasAttribute("download") ||
        anchor.origin !== window.location.origin
      )
        return;
      if (anchor.pathname.startsWith("/api/") || anchor.pathname === "/docs" || anchor.hash !== "") return;
      event.preventDefault();
      this.go(anchor.pathname + anchor.search);
    });
  }

  go(url: string): void {
    if (url === window.location.pathname + window.location.search) return;
    if (this.#isFramed) {
      window.open(url, "_blank", "noopener");
      return;
    }
    const isNewPage = new URL(url, window.location.origin).pathname !== window.location.pathname;
    history.pushState(null, "", url);
    this.#read();
    if (isNewPage) {
      window.scrollTo(0, 0);
      // Screen readers and the keyboard start at the new page's content.
      requestAnimationFrame(() => document.getElementById("main")?.focus({ preventScroll: true }));
    }
  }

  /** Show another page in the place of this one. */
  replace(url: string): void {
    history.replaceState(null, "", url);
    this.#read();
  }

  get(name: string): string {
    return this.query.get(name) ?? "";
  }

  /** Change view state in place; empty values leave the address. `isStep` makes it a step of the back button. */
  set(values: Record<string, string | null>, isStep = false): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === "") query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    const url = this.path + (text === "" ? "" : `?${text}`);
    if (isStep) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    this.query = query;
  }

  #read(): void {
    this.path = window.location.pathname;
    this.query = new URLSearchParams(window.location.search);
  }
}

export const location = new Location();
