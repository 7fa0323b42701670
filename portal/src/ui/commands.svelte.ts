/** What can be done by key and from the palette. Pages add their commands while they are shown; the help sheet lists them all. */

import { untrack } from "svelte";
import type { IconName } from "./Icon.svelte";
import { isTyping } from "./keys";

export interface Command {
  title: string;
  /** Heading in the help sheet and beside the title in the palette. */
  group: string;
  /** One key, two in a row (`g h`), or `mod+k` (Ctrl, on Apple's keyboards ⌘); several ways apart by a bar. */
  keys?: string;
  /** Missing: keys that something else listens to, told in the help sheet only. */
  run?: () => void;
  icon?: IconName;
  /** Not worth a line in the palette: the thing itself is in sight. */
  isKeyOnly?: boolean;
}

/** A first key of two is forgotten after a moment. */
const CHORD_MS = 1_200;

const isApple = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent);
const NAMES: Record<string, string> = { mod: isApple ? "⌘" : "Ctrl", Escape: "Esc", " ": "Space", shift: "⇧" };

/** How a key is written on keyboards: `mod+k` → Ctrl, K. */
export function keyCaps(keys: string): string[] {
  return keys
    .split(" ")
    .flatMap((key) => (key === "+" ? ["+"] : key.split("+")))
    .map((part) => NAMES[part] ?? part);
}

class Commands {
  // Not state itself: what an effect takes back on leaving, it reads as it was before the change that made it leave.
  readonly #sets = new Set<readonly Command[]>();
  #version = $state(0);
  /** Those of the page last shown first. */
  all = $derived.by(() => {
    void this.#version;
    return [...this.#sets].reverse().flat();
  });
  #first = "";
  #firstUntil = 0;

  /** Add commands until the returned function is called: `$effect(() => commands.add([…]))`. */
  add(list: readonly Command[]): () => void {
    this.#sets.add(list);
    untrack(() => this.#version++);
    return () => {
      this.#sets.delete(list);
      untrack(() => this.#version++);
    };
  }

  onkeydown(event: KeyboardEvent): void {
    const isMod = (isApple ? event.metaKey : event.ctrlKey) && !event.altKey;
    const typed = isMod ? `mod+${event.key.toLowerCase()}` : event.key;
    // While one types, only chords with Ctrl or ⌘ are meant for the page; of those, taking back belongs to the field.
    if (event.defaultPrevented || (isMod ? typed === "mod+z" && isTyping(event, true) : isTyping(event))) return;
    const pair = performance.now() < this.#firstUntil ? `${this.#first} ${typed}` : "";
    this.#firstUntil = 0;
    const find = (keys: string) =>
      keys === "" ? undefined : this.all.find((one) => one.run && one.keys?.split("|").includes(keys));
    const command = find(pair) ?? find(typed);
    if (command?.run !== undefined) {
      event.preventDefault();
      command.run();
    } else if (this.all.some((one) => one.keys?.split("|").some((keys) => keys.startsWith(`${typed} `)))) {
      this.#first = typed;
      this.#firstUntil = performance.now() + CHORD_MS;
    }
  }
}

export const commands = new Commands();
