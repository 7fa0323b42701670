/** Edits of a thing: what it looks like at once, and how to take them back. Pure.
 *
 * An edit names the fields that change; of labels (tags, aliases) the ones that change, null for those that go.
 */

type Labels = Record<string, string | number>;
export type Edit<Thing> = {
  [Field in keyof Thing]?: Thing[Field] extends Labels ? Record<string, Thing[Field][string] | null> : Thing[Field];
};

function isLabels(value: unknown): value is Labels {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Tags that the portal keeps for itself, such as a run's colour; not shown as tags. */
export const OWN_TAGS = "tracklog.";
/** Tags that programs write for themselves stand in the way of those of people: they are shown when asked for. */
export const isSystemTag = (name: string) => name.startsWith(OWN_TAGS) || name.startsWith("mlflow.");

export function edited<Thing extends object>(thing: Thing, edit: Edit<Thing>): Thing {
  const after = { ...thing } as Record<string, unknown>;
  for (const [field, change] of Object.entries(edit)) {
    if (change === undefined) continue;
    if (!isLabels(change)) after[field] = change;
    else
      after[field] = Object.fromEntries(
        Object.entries({ ...(after[field] as Labels), ...change }).filter(([, value]) => value !== null),
      );
  }
  return after as Thing;
}

/** The edit that makes `edited(thing, edit)` into `thing` again. */
export function inverse<Thing extends object>(thing: Thing, edit: Edit<Thing>): Edit<Thing> {
  const before = thing as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(edit)
      .filter(([, change]) => change !== undefined)
      .map(([field, change]) => {
        const value = before[field];
        return [
          field,
          isLabels(change) && isLabels(value)
            ? Object.fromEntries(Object.keys(change).map((name) => [name, value[name] ?? null]))
            : value,
        ];
      }),
  ) as Edit<Thing>;
}

/** A tag set, renamed or given another value; null: nothing changes. */
export function tagEdit(
  old: { name: string; value: string } | null,
  name: string,
  value: string,
): Record<string, string | null> | null {
  if (name === "" || (old !== null && old.name === name && old.value === value)) return null;
  return { ...(old !== null && old.name !== name ? { [old.name]: null } : {}), [name]: value };
}
