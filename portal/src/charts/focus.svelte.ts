/** The run under the pointer, on whatever chart: all charts and tables of the page light it up. */

class Focus {
  /** Run id; "": none. */
  run = $state("");
}

export const focus = new Focus();
