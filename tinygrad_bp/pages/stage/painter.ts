// Paints frames on a canvas. It knows colours and shapes, and nothing of networks.

import type { Arrow, Bar, Bead, Frame, Ink, Line, Mark, Path, Picture, Text } from "./frame";
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
  private palette: Palette = PALETTES.dark;
  private halo: HTMLCanvasElement | null = null;
  private readonly pictures = new Map<string, ImageBitmap>();
  private readonly colours = new Map<string, string>();

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d", { alpha: false })!;
  }

  paint(frame: Frame, width: number, height: number, density: number, theme: Theme): void {
    this.prepare(width, height, density, theme);
    for (const mark of frame.marks) this.mark(mark);
  }

  private prepare(width: number, height: number, density: number, theme: Theme): void {
    const [w, h] = [Math.round(width * density), Math.round(height * density)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      [this.canvas.width, this.canvas.height] = [w, h];
    }
    if (this.palette !== PALETTES[theme]) {
      this.palette = PALETTES[theme];
      this.halo = null;
      this.pictures.clear();
      this.colours.clear();
    }
    this.context.setTransform(density, 0, 0, density, 0, 0);
    this.context.globalAlpha = 1;
    this.context.fillStyle = this.solid("ground", 1);
    this.context.fillRect(0, 0, width, height);
  }

  private mark(mark: Mark): void {
    switch (mark.kind) {
      case "line": return this.line(mark);
      case "bead": return this.bead(mark);
      case "picture": return this.picture(mark);
      case "bar": return this.bar(mark);
      case "arrow": return this.arrow(mark);
      case "text": return this.text(mark);
      case "path": return this.path(mark);
    } // prettier-ignore
  }

  /** A colour that lets nothing through: what is faded is mixed with the ground instead. */
  private solid(ink: Ink, alpha: number): string {
    const key = `${ink}${Math.round(alpha * 64)}`;
    let colour = this.colours.get(key);
    if (colour === undefined) {
      colour = mixed(this.palette.ground, this.palette[ink], Math.round(alpha * 64) / 64);
      this.colours.set(key, colour);
    }
    return colour;
  }

  private line({ from, to, width, ink, alpha, round, dash }: Line): void {
    const c = this.context;
    c.globalAlpha = alpha;
    c.strokeStyle = this.solid(ink, 1);
    c.lineWidth = width;
    c.lineCap = round ? "round" : "butt";
    if (dash) c.setLineDash(dash as number[]);
    c.beginPath(); // each line by itself: crossing lines in one path are three times slower
    c.moveTo(from[0], from[1]);
    c.lineTo(to[0], to[1]);
    c.stroke();
    if (dash) c.setLineDash([]);
    c.globalAlpha = 1;
  }

  private bead({ at: [x, y], radius, lit, alpha }: Bead): void {
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
    c.lineWidth = 1;
    c.strokeStyle = this.solid("ring", 1);
    c.stroke();
    c.globalAlpha = 1;
  }

  private picture(mark: Picture): void {
    const c = this.context;
    const { at: [x, y], size, rows, alpha } = mark; // prettier-ignore
    const image = this.imageOf(mark);
    const side = image.width;
    c.globalAlpha = alpha;
    c.imageSmoothingEnabled = false;
    const shown = Math.min(side, rows);
    const part = (shown / side) * size;
    if ((mark.look ?? "glass") === "glass") {
      c.fillStyle = this.solid("glass", 1);
      c.beginPath(); // around the image: under it, it would show through where both are faded
      c.roundRect(x - size / 2 - 6, y - size / 2 - 6, size + 12, size + 12, 4);
      c.rect(x - size / 2, y - size / 2, size, part);
      c.fill("evenodd");
    } else if (mark.lit) {
      c.globalAlpha = alpha * mark.lit * this.palette.litAlpha;
      c.fillStyle = this.solid("gauge", 1);
      c.fillRect(x - size / 2 - 1, y - size / 2 - 1, size + 2, size + 2);
      c.globalAlpha = alpha;
    }
    if (shown > 0) c.drawImage(image, 0, 0, side, shown, x - size / 2, y - size / 2, size, part);
    c.globalAlpha = 1;
  }

  private readonly numbers = new WeakMap<object, number>();
  private seen = 0;

  /** The pixels as an image, kept: by the array that they are in. */
  private imageOf({ pixels, look = "glass", lit }: Picture): ImageBitmap {
    let number = this.numbers.get(pixels);
    if (number === undefined) this.numbers.set(pixels, (number = this.seen += 1));
    const key = `${number}${look}${lit ? "lit" : ""}`;
    let image = this.pictures.get(key);
    if (!image) {
      if (this.pictures.size > 2500) this.pictures.clear();
      this.pictures.set(key, (image = imageOf(pixels, look, Boolean(lit), this.palette)));
    }
    return image;
  }

  private bar({ rect: [x, y, w, h], ink, alpha, outline, dash, radius = 0 }: Bar): void {
    const c = this.context;
    c.beginPath();
    if (radius) c.roundRect(x, y, w, h, radius);
    else c.rect(x, y, w, h);
    if (outline) {
      c.strokeStyle = this.solid(ink, alpha);
      c.lineWidth = outline;
      c.setLineDash((dash ?? []) as number[]);
      c.stroke();
      c.setLineDash([]);
    } else {
      c.fillStyle = this.solid(ink, alpha);
      c.fill();
    }
  }

  /** An arrow of full length up to its tip; a short one is all head. */
  private arrow({ from, to, width, head, ink, alpha }: Arrow): void {
    const c = this.context;
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(dx, dy);
    if (length < 0.3) return;
    const [ux, uy] = [dx / length, dy / length];
    const tip = Math.min(head * 0.6, length);
    const [half, wing] = [width / 2, (head / 2) * Math.min(1, 0.35 + (0.65 * length) / (head * 0.6))];
    const at = (s: number, side: number): [number, number] => [
      from[0] + ux * s - uy * side,
      from[1] + uy * s + ux * side,
    ];
    const neck = length - tip;
    c.fillStyle = this.solid(ink, alpha);
    c.beginPath();
    const corners = [at(0, -half), at(neck, -half), at(neck, -wing), at(length, 0), at(neck, wing),
      at(neck, half), at(0, half)]; // prettier-ignore
    corners.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.fill();
  }

  private text(mark: Text): void {
    const c = this.context;
    const { at, text, size, ink, alpha, align = "left", weight = 500, face = "sans" } = mark;
    c.font = `${weight} ${size}px ${FACES[face]}`;
    c.textAlign = align;
    c.textBaseline = "middle";
    c.fillStyle = this.solid(ink, alpha);
    c.fillText(text, at[0], at[1]);
  }

  private path({ points, width, ink, alpha, dash, floor, fill }: Path): void {
    const c = this.context;
    if (points.length < 2) return;
    c.globalAlpha = alpha;
    c.beginPath();
    points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    if (floor !== undefined && fill) {
      c.save();
      c.lineTo(points[points.length - 1][0], floor);
      c.lineTo(points[0][0], floor);
      c.fillStyle = this.solid(fill, 1);
      c.globalAlpha = alpha * 0.5;
      c.fill();
      c.restore();
      c.beginPath();
      points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    }
    if (width) {
      c.strokeStyle = this.solid(ink, 1);
      c.lineWidth = width;
      c.lineJoin = "round";
      c.setLineDash((dash ?? []) as number[]);
      c.stroke();
      c.setLineDash([]);
    }
    c.globalAlpha = 1;
  }
}

function haloOf({ halo }: Palette): HTMLCanvasElement {
  const sprite = document.createElement("canvas");
  sprite.width = sprite.height = 128;
  const c = sprite.getContext("2d")!;
  const glow = c.createRadialGradient(64, 64, 0, 64, 64, 64);
  const at = (alpha: number) => `rgb(${halo.join(" ")} / ${alpha})`;
  [[0, 1], [0.22, 0.8], [0.5, 0.22], [1, 0]].forEach(([s, alpha]) => glow.addColorStop(s, at(alpha))); // prettier-ignore
  c.fillStyle = glow;
  c.fillRect(0, 0, 128, 128);
  return sprite;
}

function imageOf(pixels: ArrayLike<number>, look: string, lit: boolean, palette: Palette): ImageBitmap {
  const side = Math.round(Math.sqrt(pixels.length));
  const canvas = new OffscreenCanvas(side, side);
  const c = canvas.getContext("2d")!;
  const data = c.createImageData(side, side);
  for (let i = 0; i < pixels.length; i += 1) {
    const [r, g, b, a] = coloured(pixels[i], look, lit, palette);
    data.data.set([r, g, b, a], 4 * i);
  }
  c.putImageData(data, 0, 0);
  return canvas.transferToImageBitmap(); // a thousand of these are quicker to paint than as many canvases
}

function coloured(p: number, look: string, lit: boolean, palette: Palette): number[] {
  if (look === "signed") {
    return [...palette[p >= 0 ? "plus" : "minus"], 255 * Math.min(1, Math.abs(p))];
  }
  if (look === "plain") {
    const ink = lit && palette.ground[0] > 128 ? palette.ink : lit ? palette.light : palette.mute;
    return [...ink, 255 * p];
  }
  const s = Math.pow(p, 0.85);
  return [...palette.glass.map((g, i) => g + (palette.light[i] - g) * s), 255];
}
