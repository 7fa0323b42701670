/** One short message at the foot of the page, also said to screen readers; may offer to take back what it tells. */

import { t } from "./i18n";

const SHOWN_MS = 2_400;
/** Long enough to read, to think, and to reach for the mouse. */
const OFFERED_MS = 8_000;

interface Action {
  label: string;
  run: () => void;
}

class Toast {
  text = $state("");
  action = $state.raw<Action | null>(null);
  /** The last change that can be taken back, also after its message is gone. */
  #undo: Action | null = null;
  #timer = 0;

  say(text: string, action: Action | null = null): void {
    clearTimeout(this.#timer);
    this.text = text;
    this.action = action;
    if (action !== null) this.#undo = action;
    this.#timer = window.setTimeout(() => this.#clear(), action === null ? SHOWN_MS : OFFERED_MS);
  }

  act(): void {
    const { action } = this;
    this.#clear();
    if (action === this.#undo) this.#undo = null;
    action?.run();
  }

  /** Take back the last change, once. */
  undo(): void {
    const action = this.#undo;
    this.#undo = null;
    this.#clear();
    action?.run();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.text = "";
    this.action = null;
  }
}

export const toast = new Toast();

export async function copyText(text: string, what = t("Copied")): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast.say(what);
  } catch {
    // The clipboard needs a secure context (https or localhost); a selection works everywhere.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    toast.say(isCopied ? what : t("The browser refused to copy."));
  }
}

export function downloadText(name: string, text: string, type = "text/csv"): void {
  downloadUrl(name, URL.createObjectURL(new Blob([text], { type })));
}

export function downloadUrl(name: string, url: string): void {
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
