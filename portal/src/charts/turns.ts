/** Charts of hundreds of lines are drawn one after the other, each in a task of its own: the page answers in between. */

const waiting = new Set<() => void>();
let isTaking = false;

function take(): void {
  const [draw] = waiting;
  if (draw === undefined) {
    isTaking = false;
    return;
  }
  waiting.delete(draw);
  setTimeout(take);
  draw();
}

/** Draw when it is its turn, unless the returned function is called before. */
export function inTurn(draw: () => void): () => void {
  waiting.add(draw);
  if (!isTaking) setTimeout(take);
  isTaking = true;
  return () => waiting.delete(draw);
}
