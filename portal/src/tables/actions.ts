/** What people do to runs of a table. Everything can be taken back, by the toast or by Ctrl-Z. */

import { ApiError, api } from "../api/client";
import type { RunEdit, RunInfo } from "../api/types";
import { COLOUR_TAG } from "../charts/colours";
import { t } from "../ui/i18n";
import { toast } from "../ui/toast.svelte";
import type { RunsState } from "./state.svelte";

/** Runs whose old values are asked for at once. */
const PART = 1000;
/** From here on the progress is told. */
const MANY = 500;

export function trash(runs: RunsState, ids: readonly string[]): Promise<void> {
  const said = t("{n} run moved to the trash|{n} runs moved to the trash", { n: ids.length });
  return change(runs, ids, { deleted: true }, said, { deleted: false });
}

export function restore(runs: RunsState, ids: readonly string[]): Promise<void> {
  return change(runs, ids, { deleted: false }, t("{n} run restored|{n} runs restored", { n: ids.length }), {
    deleted: true,
  });
}

export function archive(runs: RunsState, ids: readonly string[], isArchived: boolean): Promise<void> {
  const said = isArchived
    ? t("{n} run archived|{n} runs archived", { n: ids.length })
    : t("{n} run taken out of the archive|{n} runs taken out of the archive", { n: ids.length });
  return change(runs, ids, { archived: isArchived }, said, { archived: !isArchived });
}

/** Set a tag, or remove it with null. */
export async function tag(runs: RunsState, ids: readonly string[], name: string, value: string | null): Promise<void> {
  const said =
    value === null
      ? t("Tag {name} removed from {n} run|Tag {name} removed from {n} runs", { name, n: ids.length })
      : t("Tag {name} set on {n} run|Tag {name} set on {n} runs", { name, n: ids.length });
  await changeTag(runs, ids, name, value, said);
}

/** Give runs a hue of the palette, from 0 on; null: the one that comes by itself. */
export async function colour(runs: RunsState, ids: readonly string[], hue: number | null): Promise<void> {
  const said = t("Colour of {n} run changed|Colour of {n} runs changed", { n: ids.length });
  await changeTag(runs, ids, COLOUR_TAG, hue === null ? null : String(hue + 1), said);
}

export async function rename(runs: RunsState, run: RunInfo, name: string): Promise<void> {
  const wanted = name.trim();
  if (wanted === "" || wanted === run.name) return;
  await attempt(async () => {
    await runs.list.edit([run.id], { name: wanted });
    toast.say(t("Renamed to {name}", { name: wanted.slice(0, 80) }), {
      label: t("Undo"),
      run: () => void attempt(() => runs.list.edit([run.id], { name: run.name })),
    });
  });
}

/** An edit after which runs no longer belong to what is shown. */
async function change(
  runs: RunsState,
  ids: readonly string[],
  edit: RunEdit,
  said: string,
  back: RunEdit,
): Promise<void> {
  await attempt(async () => {
    await runs.list.edit(ids, edit, progress(ids.length));
    runs.list.drop(ids);
    for (const id of ids) runs.selected.delete(id);
    toast.say(said, {
      label: t("Undo"),
      run: () =>
        void attempt(async () => {
          await runs.list.edit(ids, back, progress(ids.length));
          await runs.list.reload();
        }),
    });
  });
}

async function changeTag(
  runs: RunsState,
  ids: readonly string[],
  name: string,
  value: string | null,
  said: string,
): Promise<void> {
  await attempt(async () => {
    const before = await tagsBefore(ids, name);
    await runs.list.edit(ids, { tags: { [name]: value } }, progress(ids.length));
    toast.say(said, {
      label: t("Undo"),
      run: () =>
        void attempt(async () => {
          for (const [old, had] of before) await runs.list.edit(had, { tags: { [name]: old } });
        }),
    });
  });
}

/** Runs by the value they have of a tag; null: none. */
async function tagsBefore(ids: readonly string[], name: string): Promise<Map<string | null, string[]>> {
  const before = new Map<string | null, string[]>();
  for (let at = 0; at < ids.length; at += PART) {
    const page = await api.runs({ ids: ids.slice(at, at + PART), deleted: null, limit: PART });
    for (const run of page.runs) {
      const value = run.tags[name] ?? null;
      before.set(value, [...(before.get(value) ?? []), run.id]);
    }
  }
  return before;
}

function progress(total: number): ((done: number) => void) | undefined {
  if (total <= MANY) return undefined;
  return (done) => toast.say(t("{done} of {total} runs …", { done, total }));
}

async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    toast.say(error instanceof ApiError ? error.message : String(error));
  }
}
