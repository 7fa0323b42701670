/** One short message at the foot of the page, also said to screen readers. */

class Toast {
  text = $state("");
  #timer = 0;

  say(text: string): void {
    clearTimeout(this.#timer);
    this.text = text;
    this.#timer = window.setTimeout(() => {
      this.text = "";
    }, 2_200);
  }
}

export const toast = new Toast();

export async function copyText(text: string, what = "Copied"): Promise<void> {
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
    toast.say(isCopied ? what : "The browser refused to copy.");
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
