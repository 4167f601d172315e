// What is being shown: a scene, a time in it, and what its reader has chosen.

import type { Moment } from "./address";
import type { Scene } from "./scene";
import { SCENES } from "./scenes";
import type { Choices, Session } from "./session";

const LAST = SCENES.length - 1;

export class Player {
  index = $state(0);
  t = $state(0);
  playing = $state(false);
  session = $state.raw<Session | null>(null);
  /** For the classroom: each scene waits at its end for the next key. */
  present = $state(false);
  /** Whether motion is unwelcome: then scenes are shown as they end. */
  still = $state(false);
  /** What an address wants chosen, until there is something to choose from. */
  private wanted: Partial<Choices> = {};

  get scene(): Scene {
    return SCENES[this.index];
  }

  get atEnd(): boolean {
    return this.t >= this.scene.seconds;
  }

  begin(session: Session): void {
    this.session = session.choosing(this.wanted);
  }

  seek(index: number, t: number): void {
    this.index = Math.min(LAST, Math.max(0, index));
    const from = this.still && t === 0 ? Infinity : t;
    this.t = Math.min(this.scene.seconds, Math.max(0, from));
  }

  pauseAt(index: number, t: number): void {
    this.playing = false;
    this.seek(index, t);
  }

  go(index: number): void {
    if (index >= 0 && index <= LAST) this.seek(index, 0);
  }

  /** To the next scene; in the classroom first play this one, or cut it short. */
  next(): void {
    if (!this.present) return this.go(this.index + 1);
    if (this.playing) return this.pauseAt(this.index, Infinity);
    if (!this.atEnd) this.playing = true;
    else if (this.index < LAST) this.start(this.index + 1, 0);
  }

  back(): void {
    if (!this.present) return this.go(this.t > 0.5 && !this.still ? this.index : this.index - 1);
    this.pauseAt(this.index - 1, this.index > 0 ? Infinity : 0);
  }

  private start(index: number, t: number): void {
    this.seek(index, t);
    this.playing = !this.still;
  }

  /** Play or pause; where motion is unwelcome, on to the next scene. */
  play(): void {
    const over = this.atEnd && !this.playing;
    if (this.still || over) this.seek((this.index + 1) % SCENES.length, 0);
    if (!this.still && !(over && this.present)) this.playing = !this.playing;
  }

  choose(choices: Partial<Choices>): void {
    this.session = this.session!.choosing(choices);
    this.start(this.index, this.scene.settled ?? 0);
  }

  advance(seconds: number): void {
    const over = this.t + seconds - this.scene.seconds;
    if (over < 0) this.t += seconds;
    else if (this.index < LAST && !this.present) this.seek(this.index + 1, over);
    else this.pauseAt(this.index, Infinity);
  }

  /** What stands in an address; false if that names nothing. */
  take({ scene, t, choices, present }: Moment): boolean {
    this.present = present;
    const found = SCENES.findIndex(({ id }) => id === scene);
    if (found < 0) return false;
    this.wanted = choices;
    if (this.session) this.session = this.session.choosing(choices);
    this.pauseAt(found, t ?? 0);
    return true;
  }

  get moment(): Moment {
    const choices = this.session?.choices ?? {};
    return { scene: this.scene.id, t: this.t, choices, present: this.present };
  }
}
