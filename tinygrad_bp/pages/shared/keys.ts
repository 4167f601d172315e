// Keys of a whole page. Text fields keep theirs, and so does whatever has prevented the default.

export interface Key {
  /** What they do, for the help. */
  does: string;
  /** By the name that `KeyboardEvent.key` has, with "Shift+" before it for arrows. */
  act: Record<string, (event: KeyboardEvent) => void>;
}

/** What the help calls a key. */
export function nameOf(key: string): string {
  return key === " " ? "space" : key.replace("ArrowRight", "→").replace("ArrowLeft", "←");
}

/** Do what a key is for; those of a single letter or sign can be switched off by who speaks or slips. */
export function press(event: KeyboardEvent, keys: Key[], letters: boolean) {
  const { key, shiftKey } = event;
  const target = event.target as HTMLElement;
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if (isTyping(target) || document.querySelector("dialog[open]")) return;
  if (key === " " ? target.matches("button, input, summary") : key.length === 1 && !letters) return;
  const pressed = shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
  const found = keys.find(({ act }) => pressed in act);
  if (!found) return;
  event.preventDefault();
  found.act[pressed](event);
}

function isTyping(target: HTMLElement): boolean {
  return target.matches("input:not([type=range], [type=checkbox]), textarea, select");
}
