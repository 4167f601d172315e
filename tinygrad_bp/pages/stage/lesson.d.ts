import type { Frame } from "./frame";
import type { Choices } from "./session";

/** The page in numbers: `window.lesson`. */
export interface Lesson {
  /** Whether everything is unpacked. */
  ready(): boolean;
  /** The scenes, in the story's order. */
  scenes(): string[];
  /** How long a scene is. */
  seconds(scene: string): number;
  /** Show a moment of a scene. */
  seek(scene: string, t: number): void;
  /** What is on the stage then, and the numbers in it. */
  frame(scene: string, t: number, choices?: Partial<Choices>): Frame;
}

declare global {
  interface Window {
    lesson: Lesson;
  }
}
