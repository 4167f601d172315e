// The story: scenes and their sentences stand in a file that Python reads, too.

import file from "../../lesson/story.json";
import { SCENES } from "./scenes";
import type { Session } from "./session";

export interface Story {
  id: string;
  title: string;
  /** When each clause begins to be true on the stage, and its words. */
  clauses: [number, string][];
  /** The file in `controls` with its control. */
  control: string;
  covers: string[];
  /** What the drawer says: why, and the formula in symbols, with the numbers of the case, and what comes out. */
  drawer: { words: string[]; formula: { symbols: string; numbers: string; result: string } };
}

export const STORY = file.scenes as unknown as Story[];
export const LINES = file.lines as [string, string][];

/** A piece of a sentence; what is more or less wears the colour of its sign. */
export interface Piece {
  text: string;
  sign: "" | "plus" | "minus";
}

export function pieces(text: string, session: Session | null): Piece[] {
  const words = session ? wordsOf(session) : {};
  return text.split(/(\{[^}]*\})/).flatMap((part): Piece[] => {
    if (!part) return [];
    if (!part.startsWith("{")) return [{ text: part, sign: "" }];
    const name = part.slice(1, -1);
    return [word(words[name] ?? name)];
  });
}

/** "+up" and "-down" have a sign; a true minus before a number is none. */
function word(text: string): Piece {
  const sign = text[0] === "+" ? "plus" : text[0] === "-" ? "minus" : "";
  return sign && /^.[a-z]/.test(text) ? { text: text.slice(1), sign } : { text, sign: "" };
}

function wordsOf(session: Session): Record<string, string> {
  const label = String(session.now.label);
  return Object.assign({ label }, ...SCENES.map((scene) => scene.words?.(session)));
}

/** A whole sentence, as plain text. */
export function sentence(scene: Story, session: Session | null): string {
  const texts = scene.clauses.flatMap(([, text]) => [...pieces(text, session), { text: " " }]);
  return texts.map(({ text }) => text).join("").trim(); // prettier-ignore
}
