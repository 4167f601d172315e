import type { Choices, Session } from "../session";

/** What every control is given. */
export interface ControlProps {
  session: Session;
  /** Takes new choices; then the scene plays from the moment that shows what they change. */
  choose: (choices: Partial<Choices>) => void;
}

export const DIGITS: readonly number[] = Array.from({ length: 10 }, (_, j) => j);

export function flipped(flags: readonly boolean[], j: number): boolean[] {
  return flags.map((on, i) => (i === j ? !on : on));
}
