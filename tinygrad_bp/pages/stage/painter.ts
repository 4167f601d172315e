// Paints frames on a canvas. It knows colours and shapes, and nothing of networks.

import type { Ink, Mark, Picture } from "./frame";
import type { Point } from "./layout";
import { mixed, PALETTES, type Palette, type Theme } from "./palette";

const FACES = { sans: '"Inter", sans-serif', serif: '"Source Serif 4", serif' };
const GLOW = 0.12; // below this, a bead has no halo

const TRIED = 20; // frames
const SLOW = 20; // milliseconds

/** Whether a quarter of the first frames came slowly: then fewer pixels will do. */
export class Pace {
  private readonly first: number[] = [];

  slow(interval: number): boolean {
    if (this.first.length < TRIED) this.first.push(interval);
    if (this.first.length < TRIED) return false;
    return this.first.filter((interval) => interval > SLOW).length >= TRIED / 4;
  }
}

export class Painter {
  private readonly context: CanvasRenderingContext2D;
  private readonly palette: Palette;
  private halo: HTMLCanvasElement | null = null;
  private readonly pictures = new WeakMap<object, Record<string, ImageBitmap>>();
  private readonly colours: Record<string, string> = {};

  constructor(
    private readonly canvas: HTMLCanvasElement,
    theme: Theme,
  ) {
    this.context = canvas.getContext("2d", { alpha: false })!;
    this.palette = PALETTES[theme];
  }

  paint(marks: readonly Mark[], room: { width: number; height: number }, density: number): void {
    const [width, height] = [room.width, room.height].map((p) => Math.round(p * density));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.context.setTransform(density, 0, 0, density, 0, 0);
    this.context.fillStyle = this.solid("ground", 1);
    this.context.fillRect(0, 0, room.width, room.height);
    for (const mark of marks) {
      (this.kinds[mark.kind] as (mark: Mark) => void)(mark); // the kind is the mark's own
      this.context.globalAlpha = 1;
    }
  }

  /** A colour that lets nothing through: what is faded is mixed with the ground instead. */
  private solid(ink: Ink, alpha: number): string {
    const share = Math.round(alpha * 64) / 64;
    return (this.colours[`${ink}${share}`] ??= mixed(this.palette.ground, this.palette[ink], share));
  }

  private trace(points: readonly Point[]): void {
    this.context.beginPath();
    points.forEach(([x, y], i) => (i ? this.context.lineTo(x, y) : this.context.moveTo(x, y)));
  }

  private fill(ink: Ink, alpha = 1): void {
    this.context.fillStyle = this.solid(ink, alpha);
    this.context.fill();
  }

  private stroke(width: number, colour: string, dash?: readonly number[]): void {
    const c = this.context;
    c.strokeStyle = colour;
    c.lineWidth = width;
    if (dash) c.setLineDash(dash as number[]);
    c.stroke();
    if (dash) c.setLineDash([]);
  }

  private readonly kinds: { [K in Mark["kind"]]: (mark: Extract<Mark, { kind: K }>) => void } = {
    line: ({ from, to, width, ink, alpha, round, dash }) => {
      this.context.globalAlpha = alpha;
      this.context.lineCap = round ? "round" : "butt";
      this.trace([from, to]); // each line by itself: crossing lines in one path are three times slower
      this.stroke(width, this.solid(ink, 1), dash);
    },

    bead: ({ at: [x, y], radius, lit, alpha }) => {
      const c = this.context;
      if (lit > GLOW && alpha > 0.1) {
        this.halo ??= haloOf(this.palette);
        const r = radius * 2.3;
        c.globalAlpha = this.palette.haloAlpha * lit * alpha;
        c.drawImage(this.halo, x - r, y - r, 2 * r, 2 * r);
      }
      c.globalAlpha = alpha;
      c.beginPath();
      c.arc(x, y, radius, 0, 2 * Math.PI);
      c.fillStyle = mixed(this.palette.glass, this.palette.light, Math.pow(lit, 0.85));
      c.fill();
      this.stroke(1, this.solid("ring", 1));
    },

    picture: (mark) => {
      const c = this.context;
      const { at, size, rows, alpha, look = "glass", lit } = mark;
      const [left, top] = at.map((p) => p - size / 2);
      const image = this.imageOf(mark);
      const shown = Math.min(image.width, rows);
      const part = (shown / image.width) * size;
      c.globalAlpha = alpha;
      c.imageSmoothingEnabled = false;
      if (look === "glass") {
        c.beginPath(); // around the image: under it, it would show through where both are faded
        c.roundRect(left - 6, top - 6, size + 12, size + 12, 4);
        c.rect(left, top, size, part);
        c.fillStyle = this.solid("glass", 1);
        c.fill("evenodd");
      } else if (lit) {
        c.globalAlpha = alpha * lit * this.palette.litAlpha;
        c.fillStyle = this.solid("gauge", 1);
        c.fillRect(left - 1, top - 1, size + 2, size + 2);
        c.globalAlpha = alpha;
      }
      if (shown > 0) c.drawImage(image, 0, 0, image.width, shown, left, top, size, part);
    },

    bar: ({ rect: [x, y, w, h], ink, alpha, outline, dash, radius }) => {
      this.context.beginPath();
      if (radius) this.context.roundRect(x, y, w, h, radius);
      else this.context.rect(x, y, w, h);
      if (outline) this.stroke(outline, this.solid(ink, alpha), dash);
      else this.fill(ink, alpha);
    },

    /** An arrow of full length up to its tip; a short one is all head. */
    arrow: ({ from, to, width, head, ink, alpha }) => {
      const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
      const length = Math.hypot(dx, dy);
      if (length < 0.3) return;
      const [ux, uy] = [dx / length, dy / length];
      const neck = length - Math.min(head * 0.6, length);
      const [half, wing] = [width / 2, (head / 2) * Math.min(1, 0.35 + (0.65 * length) / (head * 0.6))];
      const at = (s: number, side: number): Point => [from[0] + ux * s - uy * side, from[1] + uy * s + ux * side];
      const [left, right] = [-1, 1].map((by) => [at(0, by * half), at(neck, by * half), at(neck, by * wing)]);
      this.trace([...left, at(length, 0), ...right.reverse()]);
      this.fill(ink, alpha);
    },

    text: ({ at, text, size, ink, alpha, align = "left", weight = 500, face = "sans" }) => {
      const c = this.context;
      c.font = `${weight} ${size}px ${FACES[face]}`;
      c.textAlign = align;
      c.textBaseline = "middle";
      c.fillStyle = this.solid(ink, alpha);
      c.fillText(text, at[0], at[1]);
    },

    path: ({ points, width, ink, alpha, dash, floor, fill }) => {
      const c = this.context;
      if (points.length < 2) return;
      if (floor !== undefined && fill) {
        c.globalAlpha = alpha * 0.5;
        this.trace([...points, [points.at(-1)![0], floor], [points[0][0], floor]]);
        this.fill(fill);
      }
      c.globalAlpha = alpha;
      c.lineJoin = "round";
      this.trace(points);
      if (width) this.stroke(width, this.solid(ink, 1), dash);
    },
  };

  /** The pixels as an image, kept for as long as the array that they are in. */
  private imageOf({ pixels, look = "glass", lit }: Picture): ImageBitmap {
    const kept = this.pictures.get(pixels) ?? {};
    this.pictures.set(pixels, kept);
    return (kept[`${look}${lit ? "lit" : ""}`] ??= imageOf(pixels, look, Boolean(lit), this.palette));
  }
}

function haloOf({ halo }: Palette): HTMLCanvasElement {
  const sprite = document.createElement("canvas");
  sprite.width = sprite.height = 128;
  const c = sprite.getContext("2d")!;
  const glow = c.createRadialGradient(64, 64, 0, 64, 64, 64);
  const stops = { 0: 1, 0.22: 0.8, 0.5: 0.22, 1: 0 };
  for (const [s, alpha] of Object.entries(stops)) glow.addColorStop(Number(s), `rgb(${halo.join(" ")} / ${alpha})`);
  c.fillStyle = glow;
  c.fillRect(0, 0, 128, 128);
  return sprite;
}

function imageOf(pixels: ArrayLike<number>, look: string, lit: boolean, palette: Palette): ImageBitmap {
  const side = Math.round(Math.sqrt(pixels.length));
  const canvas = new OffscreenCanvas(side, side);
  const image = new ImageData(side, side);
  for (let i = 0; i < pixels.length; i += 1) image.data.set(coloured(pixels[i], look, lit, palette), 4 * i);
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  return canvas.transferToImageBitmap(); // a thousand of these are quicker to paint than as many canvases
}

function coloured(p: number, look: string, lit: boolean, palette: Palette): number[] {
  if (look === "signed") return [...palette[p >= 0 ? "plus" : "minus"], 255 * Math.min(1, Math.abs(p))];
  if (look === "plain") {
    const ink = lit && palette.ground[0] > 128 ? palette.ink : lit ? palette.light : palette.mute;
    return [...ink, 255 * p];
  }
  const s = Math.pow(p, 0.85);
  return [...palette.glass.map((g, i) => g + (palette.light[i] - g) * s), 255];
}
