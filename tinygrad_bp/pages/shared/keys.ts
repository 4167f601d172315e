// Keys of a whole page. Text fields keep theirs, and so does whatever has prevented the default.

export interface Key {
  /** As `KeyboardEvent.key` has it, with "Shift+" before what is shifted. */
  keys: string[];
  /** What they do, for the help. */
  does: string;
  act: Record<string, (event: KeyboardEvent) => void>;
  /** A single letter or sign, which readers who speak or slip can switch off. */
  letter?: boolean;
}

export function listener(keys: () => Key[], letters: () => boolean) {
  return (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (isTyping(target) || document.querySelector("dialog[open]")) return;
    if (event.key === " " && target.matches("button, input, summary")) return;
    const arrow = event.key.startsWith("Arrow");
    const pressed = event.shiftKey && arrow ? `Shift+${event.key}` : event.key;
    const found = keys().find(({ act, letter }) => pressed in act && (!letter || letters()));
    if (!found) return;
    event.preventDefault();
    found.act[pressed](event);
  };
}

function isTyping(target: HTMLElement): boolean {
  return target.matches("input:not([type=range], [type=checkbox]), textarea, select");
}
