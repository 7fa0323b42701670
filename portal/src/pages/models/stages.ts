import type { Stage } from "../../api/registry";
import { t } from "../../ui/i18n";

export const STAGE_NAMES: Record<Stage, string> = {
  None: t("no stage"),
  Staging: t("Staging"),
  Production: t("Production"),
  Archived: t("Archived"),
};
