// The list of experiments: it stands in a file that Python reads, too.

import file from "../../../lesson/workbench.json";
import type { Session } from "../session";

export interface Experiment {
  /** Of its file in `experiments`. */
  id: string;
  title: string;
  /** The scene that it belongs to. */
  scene: string;
  /** What to try, in one sentence. */
  try: string;
}

/** What every experiment is given. */
export interface ExperimentProps {
  session: Session;
}

export const EXPERIMENTS: readonly Experiment[] = file.experiments;

export function forScene(id: string): Experiment[] {
  return EXPERIMENTS.filter(({ scene }) => scene === id);
}
