/** Edits of a run: what it looks like at once, and how to take it back. Pure. */

import type { RunEdit, RunInfo } from "../../api/types";

export function edited(run: RunInfo, edit: RunEdit): RunInfo {
  const { tags: change = {}, ...rest } = edit;
  const tags = { ...run.tags };
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete tags[name];
    else tags[name] = value;
  }
  return { ...run, ...rest, tags };
}

/** The edit that makes `edited(run, edit)` into `run` again. */
export function inverse(run: RunInfo, edit: RunEdit): RunEdit {
  const back: RunEdit = {};
  if (edit.name !== undefined) back.name = run.name;
  if (edit.description !== undefined) back.description = run.description;
  if (edit.deleted !== undefined) back.deleted = run.deleted;
  if (edit.tags !== undefined)
    back.tags = Object.fromEntries(Object.keys(edit.tags).map((name) => [name, run.tags[name] ?? null]));
  return back;
}

/** A tag set, renamed or given another value; null: nothing changes. */
export function tagEdit(old: { name: string; value: string } | null, name: string, value: string): RunEdit | null {
  if (name === "" || (old !== null && old.name === name && old.value === value)) return null;
  return { tags: { ...(old !== null && old.name !== name ? { [old.name]: null } : {}), [name]: value } };
}
