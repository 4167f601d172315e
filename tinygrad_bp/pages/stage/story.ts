// The story: scenes and their sentences stand in a file that Python reads, too.

import file from "../../lesson/story.json";
import { SCENES } from "./scenes";
import type { Session } from "./session";

export interface Story {
  id: string;
  title: string;
  /** When each clause begins to be true on the stage, and its words. */
  clauses: [number, string][];
  /** The name of its control: see `controls`. */
  control: string;
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
  return text.split(/(\{[^}]*\})/).flatMap((part): Piece[] => {
    if (!part) return [];
    if (!part.startsWith("{")) return [{ text: part, sign: "" }];
    return [word(wordFor(part.slice(1, -1), session))];
  });
}

/** "+up" and "-down" have a sign; a true minus before a number is none. */
function word(text: string): Piece {
  const sign = text[0] === "+" ? "plus" : text[0] === "-" ? "minus" : "";
  return sign && /^.[a-z]/.test(text) ? { text: text.slice(1), sign } : { text, sign: "" };
}

/** What a name in braces stands for: the first scene that knows it says so, no later one is asked. */
function wordFor(name: string, session: Session | null): string {
  if (!session) return name;
  if (name === "label") return String(session.now.label);
  for (const scene of SCENES) {
    const found = scene.words?.(session)[name];
    if (found !== undefined) return found;
  }
  return name;
}

export function plain(text: string, session: Session | null): string {
  return pieces(text, session)
    .map((piece) => piece.text)
    .join("");
}

/** A whole sentence, as plain text. */
export function sentence(scene: Story, session: Session | null): string {
  return scene.clauses.map(([, text]) => plain(text, session)).join(" ");
}
