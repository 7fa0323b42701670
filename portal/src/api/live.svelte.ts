/** The one event stream of a page.
 *
 * Guarantees: a listener hears every change from the moment it subscribes, or `null`, which means "changes were missed, ask again for all
 * you show". Nothing is open while the tab is hidden: browsers allow six connections to a host over all tabs.
 * While requests fail through the server's fault, listeners are told to ask again, ever more rarely, until all is well.
 */

import { type ApiError, EVENTS_URL, troubles } from "./client";
import type { Change } from "./types";

type Listener = (changes: Change[] | null) => void;

const BATCH_MS = 100;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 15_000;
/** What fails for good is asked once in so long. */
const HEAL_MAX_MS = 60_000;
/** Shorter absences than this (a click through tabs) keep the stream. */
const HIDDEN_GRACE_MS = 20_000;
/** A blink of the network is not worth a banner. */
const LOST_AFTER_MS = 1_500;
/** The server says something every 15 s. A line that is silent for longer is dead: the laptop slept, a proxy forgot it. */
const SILENT_MS = 40_000;
const WATCH_MS = 5_000;
/** So long after asking again nothing has failed: all is well. Longer than `paced` waits. */
const HEALED_AFTER_MS = 3_000;

class Live {
  /** False once the stream has been gone for longer than a blink. */
  connected = $state(true);
  /** Why what is shown may be old although the server is there; "": nothing fails. */
  trouble = $state("");

  #listeners = new Set<Listener>();
  #source: EventSource | null = null;
  #lastId: number | null = null;
  #buffer: Change[] = [];
  #flushTimer = 0;
  #retryTimer = 0;
  #lostTimer = 0;
  #hideTimer = 0;
  #retryMs = RETRY_MIN_MS;
  #missed = false;
  /** When the stream was last heard of, by the wall clock, which goes on while a laptop sleeps. */
  #heardMs = 0;
  #healTimer = 0;
  #healMs = RETRY_MIN_MS;
  /** When requests began to fail; 0: they do not. */
  #failingMs = 0;

  start(): void {
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#hideTimer);
      if (document.hidden) this.#hideTimer = window.setTimeout(() => this.#close(), HIDDEN_GRACE_MS);
      else if (this.#source === null) this.#open();
    });
    setInterval(() => {
      if (this.#source !== null && !document.hidden && Date.now() - this.#heardMs > SILENT_MS) this.retryNow();
    }, WATCH_MS);
    troubles.tell = (error) => this.#fail(error);
    // A page left behind gives its connection back at once.
    window.addEventListener("pagehide", () => this.#close());
    window.addEventListener("pageshow", () => {
      if (this.#source === null) this.#open();
    });
    window.addEventListener("online", () => this.retryNow());
    this.#open();
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  retryNow(): void {
    this.#retryMs = RETRY_MIN_MS;
    this.#open();
  }

  #open(): void {
    this.#close();
    // Closed before it said where it stands: what came since then is unknown.
    if (this.#lastId === null && this.#heardMs > 0) this.#missed = true;
    this.#heardMs = Date.now();
    const source = new EventSource(this.#lastId === null ? EVENTS_URL : `${EVENTS_URL}?since=${this.#lastId}`);
    this.#source = source;
    source.onopen = () => {
      clearTimeout(this.#lostTimer);
      this.#lostTimer = 0;
      this.connected = true;
      this.#retryMs = RETRY_MIN_MS;
      if (this.#missed) this.#tell(null);
      this.#missed = false;
    };
    source.addEventListener("ping", () => {
      this.#heardMs = Date.now();
    });
    source.addEventListener("hello", (event) => {
      const hello = JSON.parse(event.data) as { last_id?: number };
      if (this.#lastId === null) this.#lastId = hello.last_id ?? null;
    });
    source.addEventListener("change", (event) => {
      const change = JSON.parse(event.data) as Change;
      this.#heardMs = Date.now();
      this.#lastId = change.id;
      this.#buffer.push(change);
      if (this.#flushTimer === 0) this.#flushTimer = window.setTimeout(() => this.#flush(), BATCH_MS);
    });
    source.addEventListener("resync", () => {
      this.#lastId = null;
      this.#tell(null);
    });
    source.onerror = () => {
      // Own timing instead of the browser's: it gives up for good on a 502 and never backs off on a refused connection.
      source.close();
      if (this.#source !== source) return;
      this.#source = null;
      this.#missed = true;
      if (this.#lostTimer === 0) {
        this.#lostTimer = window.setTimeout(() => {
          this.connected = false;
        }, LOST_AFTER_MS);
      }
      this.#retryTimer = window.setTimeout(() => this.#open(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 1.7, RETRY_MAX_MS);
    };
  }

  /** A request failed: have all that is shown asked for again, until nothing fails. */
  #fail(error: ApiError): void {
    if (this.#failingMs === 0) this.#failingMs = Date.now();
    // That the server is away, the stream says.
    else if (error.code !== "UNREACHABLE" && Date.now() - this.#failingMs > LOST_AFTER_MS) this.trouble = error.message;
    if (this.#healTimer !== 0) return;
    const delayMs = this.#healMs;
    this.#healMs = Math.min(this.#healMs * 1.7, HEAL_MAX_MS);
    this.#healTimer = window.setTimeout(() => this.#heal(), delayMs);
  }

  #heal(): void {
    this.#healTimer = 0;
    if (document.hidden || this.#source === null) {
      this.#missed = true; // on its return the stream has everything asked for
      return;
    }
    this.#tell(null);
    window.setTimeout(() => {
      if (this.#healTimer !== 0) return;
      [this.trouble, this.#failingMs, this.#healMs] = ["", 0, RETRY_MIN_MS];
    }, HEALED_AFTER_MS);
  }

  #close(): void {
    clearTimeout(this.#retryTimer);
    this.#source?.close();
    this.#source = null;
  }

  #flush(): void {
    this.#flushTimer = 0;
    const changes = this.#buffer;
    this.#buffer = [];
    this.#tell(changes);
  }

  #tell(changes: Change[] | null): void {
    for (const listener of this.#listeners) listener(changes);
  }
}

export const live = new Live();

/** Wraps a refresh so that it runs at most once per `intervalMs`, never twice at a time, and not in a hidden tab: then it runs on return. */
export function paced(refresh: () => Promise<void>, intervalMs = 1_000): { ask: () => void; stop: () => void } {
  let timer = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let isRunning = false;
  let isWanted = false;
  let isStopped = false;

  async function run(): Promise<void> {
    timer = 0;
    if (isStopped || document.hidden) return; // stays wanted
    isWanted = false;
    isRunning = true;
    lastMs = performance.now();
    try {
      await refresh();
    } finally {
      isRunning = false;
      if (isWanted) schedule();
    }
  }
  function schedule(): void {
    isWanted = true;
    if (isRunning || isStopped || timer !== 0) return;
    timer = window.setTimeout(() => void run(), Math.max(0, lastMs + intervalMs - performance.now()));
  }
  const onVisible = () => {
    if (!document.hidden && isWanted) schedule();
  };
  document.addEventListener("visibilitychange", onVisible);
  return {
    ask: schedule,
    stop() {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}

/**
 * Runs `refresh` now, after changes that `concerns` picks out, and when changes were missed, at most once per `intervalMs`, until the
 * returned function is called.
 */
export function follow(
  refresh: () => Promise<void>,
  concerns: (changes: Change[]) => boolean,
  intervalMs?: number,
): () => void {
  const pace = paced(refresh, intervalMs);
  pace.ask();
  const stop = live.subscribe((changes) => {
    if (changes === null || concerns(changes)) pace.ask();
  });
  return () => {
    stop();
    pace.stop();
  };
}
