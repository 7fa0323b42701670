/** The runs of one experiment, or of all, as a page looks at them: what is asked of the server, what is selected, what is drawn. */

import { api } from "../api/client";
import { RUN_STATUSES, type RunInfo, type RunQuery, type RunStatus } from "../api/types";
import { location } from "../ui/location.svelte";
import { type ColumnId, chooseColumns, decodeColumns, encodeColumns } from "./columns";
import { RunsList } from "./runs.svelte";

const MAX_SELECTED = 12;
/** Runs whose curves are drawn while none is selected. */
const LATEST = 6;

/** To be made while a component starts: its effects live as long as that component. */
export class RunsState {
  readonly experiment: string | null;
  readonly list = new RunsList();

  order = $derived(location.get("order") || "-start");
  statuses = $derived(
    location
      .get("status")
      .split(",")
      .filter((word): word is RunStatus => RUN_STATUSES.some((one) => one === word)),
  );
  parent = $derived(location.get("parent"));
  isTrash = $derived(location.get("deleted") === "1");
  isFiltered = $derived(
    location.get("q") !== "" ||
      this.statuses.length > 0 ||
      this.parent !== "" ||
      location.get("top") === "1" ||
      this.isTrash,
  );
  selectedIds = $derived(
    location
      .get("sel")
      .split(",")
      .filter((id) => id !== "")
      .slice(0, MAX_SELECTED),
  );
  selected: ReadonlySet<string> = $derived(new Set(this.selectedIds));
  #picked = $state.raw<RunInfo[]>([]);
  /** The runs whose curves are drawn: those selected, else the latest. */
  charted: RunInfo[] = $derived(
    this.selectedIds.length > 0
      ? this.#picked
      : [...this.list.rows].sort((a, b) => b.start_ms - a.start_ms).slice(0, LATEST),
  );
  // Columns stay as first chosen while data streams in; only new names are added at the end by choice.
  choice = $derived.by(() => chooseColumns(this.list.rows, this.experiment === null));
  columns: ColumnId[] = $derived(location.get("cols") === "" ? this.choice.auto : decodeColumns(location.get("cols")));

  constructor(experiment: string | null) {
    this.experiment = experiment;
    // The effects follow what is asked as text: an equal query is not asked again.
    const search = $derived(
      JSON.stringify({
        order_by: this.order,
        ...(experiment === null ? {} : { experiment }),
        ...(location.get("q") === "" ? {} : { text: location.get("q") }),
        ...(this.statuses.length === 0 ? {} : { status: this.statuses }),
        ...(this.parent === "" ? {} : { parent_id: this.parent }),
        ...(location.get("top") === "1" ? { top_level: true } : {}),
        ...(this.isTrash ? { deleted: true } : {}),
      } satisfies RunQuery),
    );
    $effect(() => {
      void this.list.search(JSON.parse(search) as RunQuery);
    });
    $effect(() => () => this.list.close());
    $effect(() => this.#pick());
  }

  select(id: string): void {
    const next = this.selected.has(id)
      ? this.selectedIds.filter((one) => one !== id)
      : [...this.selectedIds, id].slice(-MAX_SELECTED);
    location.set({ sel: next.join(",") });
  }

  clearSelection(): void {
    location.set({ sel: null });
  }

  toggleColumn(id: ColumnId): void {
    const next = this.columns.includes(id) ? this.columns.filter((one) => one !== id) : [...this.columns, id];
    location.set({ cols: encodeColumns(next) });
  }

  toggleStatus(status: RunStatus): void {
    const next = this.statuses.includes(status)
      ? this.statuses.filter((one) => one !== status)
      : [...this.statuses, status];
    location.set({ status: next.join(",") });
  }

  /** Selected runs may lie on pages not loaded, or outside the filter. */
  #pick(): void {
    const known = new Map([...this.#picked, ...this.list.rows].map((run) => [run.id, run]));
    const missing = this.selectedIds.filter((id) => !known.has(id));
    const here = this.selectedIds.flatMap((id) => known.get(id) ?? []);
    if (here.length !== this.#picked.length || here.some((run, at) => this.#picked[at] !== run)) this.#picked = here;
    if (missing.length > 0) {
      api.runs({ ids: missing, limit: MAX_SELECTED }).then(
        (page) => {
          if (page.runs.length > 0) this.#picked = [...this.#picked, ...page.runs];
        },
        () => undefined, // the table says that the server is away
      );
    }
  }
}
