/** Runs that stand beside each other at most. */
export const MAX_RUNS = 12;

/** Their ids, as the address has them. */
export function comparedIds(text: string): string[] {
  const ids = text.split(",").filter((id) => id !== "");
  return [...new Set(ids.map(decoded))].slice(0, MAX_RUNS);
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
