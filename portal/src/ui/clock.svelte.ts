/** The time now, as state that moves each second while the tab is seen: for durations that tick and times that age. */

class Clock {
  nowMs = $state(Date.now());

  start(): void {
    const tick = () => {
      if (!document.hidden) this.nowMs = Date.now();
    };
    setInterval(tick, 1_000);
    document.addEventListener("visibilitychange", tick);
  }
}

export const clock = new Clock();
